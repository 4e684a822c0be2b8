"""The small part of protobuf that clients require: kubectl creates a namespace by it, and Helm its Secrets,
and deletes them, whatever the server prefers.

An envelope is "k8s\\0" and a runtime.Unknown (1 TypeMeta: 1 apiVersion, 2 kind; 2 raw). A Namespace is (1
ObjectMeta), a Secret (1 ObjectMeta, 2 data, 3 type), DeleteOptions (2 preconditions: 1 uid, 2
resourceVersion), an ObjectMeta (1 name, 2 generateName, 6 resourceVersion, 11 labels, 12 annotations; a map
entry is 1 key, 2 value). Source: k8s.io/apimachinery and k8s.io/api, generated.proto.
"""

from __future__ import annotations

import base64

from lab.kube.errors import ApiError, bad_request
from lab.kube.jsontypes import JsonObject
from lab.kube.resources import NAMESPACES, SECRETS

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Fields = dict[int, list[bytes]]
_DECODED = {(kind.api_version, kind.kind) for kind in (NAMESPACES, SECRETS)}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise bad_request("the protobuf body is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise bad_request("the protobuf body contains a number that is too long")


def fields(data: bytes) -> Fields:
    """Return the length-delimited fields of a message by number; others are skipped. Raises 400."""
    found: Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            _, at = _varint(data, at)
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise bad_request("the protobuf body contains a field of an unknown type")
        if at + size > len(data):
            raise bad_request("the protobuf body is cut short")
        if wire == _BYTES:
            found.setdefault(tag >> 3, []).append(data[at : at + size])
        at += size
    return found


def _text(message: Fields, number: int) -> str:
    try:
        return message.get(number, [b""])[-1].decode()
    except UnicodeDecodeError as error:
        raise bad_request("the protobuf body contains text that is not UTF-8") from error


def _map(message: Fields, number: int) -> JsonObject:
    entries = [fields(entry) for entry in message.get(number, [])]
    return {_text(entry, 1): _text(entry, 2) for entry in entries}


def _opened(body: bytes) -> tuple[JsonObject, Fields]:
    """Return apiVersion and kind of an enveloped object, and its message. Raises 400 without an envelope."""
    if not body.startswith(MAGIC):
        raise bad_request("the protobuf body has no envelope")
    envelope = fields(body[len(MAGIC) :])
    type_meta = fields(envelope.get(1, [b""])[-1])
    head: JsonObject = {"apiVersion": _text(type_meta, 1), "kind": _text(type_meta, 2)}
    return head, fields(envelope.get(2, [b""])[-1])


def decode(body: bytes) -> JsonObject:
    """Decode a Namespace or Secret to JSON. Raises 415 for other kinds, 400 without an envelope."""
    head, message = _opened(body)
    if (head["apiVersion"], head["kind"]) not in _DECODED:
        raise ApiError(415, "only namespaces and secrets are accepted as protobuf; use application/json")
    meta = fields(message.get(1, [b""])[-1])
    own: JsonObject = {"name": _text(meta, 1), "generateName": _text(meta, 2)}
    own["labels"], own["annotations"] = _map(meta, 11), _map(meta, 12)
    if version := _text(meta, 6):
        own["resourceVersion"] = version
    if head["kind"] != SECRETS.kind:
        return {**head, "metadata": own}
    entries = [fields(entry) for entry in message.get(2, [])]
    data: JsonObject = {
        _text(entry, 1): base64.b64encode(entry.get(2, [b""])[-1]).decode() for entry in entries
    }
    return {**head, "metadata": own, "data": data, "type": _text(message, 3)}


def preconditions(body: bytes) -> tuple[str, str]:
    """Return uid and resourceVersion that DeleteOptions require, empty without. Raises 400."""
    _, message = _opened(body)
    wanted = fields(message.get(2, [b""])[-1])
    return _text(wanted, 1), _text(wanted, 2)
