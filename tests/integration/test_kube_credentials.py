"""Who is let in: tokens, their rotation, the certificate and the kubeconfig."""

import json
import os
import ssl
import stat
import urllib.request
from pathlib import Path

import pytest
import urllib3
import yaml
from kubernetes import client

from lab.kube import ApiServer
from tests.support.kube_api import api_client, refused


def test_a_kubeconfig_is_private(server: ApiServer, tmp_path: Path) -> None:
    """Kubeconfig, token and the authority's key are readable by their owner alone, whatever the umask."""
    before = os.umask(0)
    try:
        kubeconfig = server.kubeconfig(tmp_path / "kubeconfig")
    finally:
        os.umask(before)
    for path in (kubeconfig, tmp_path / "state" / "token", tmp_path / "state" / "ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_kubeconfig_lets_in(server: ApiServer, tmp_path: Path) -> None:
    """The official client gets in with the kubeconfig alone."""
    with api_client(server.kubeconfig(tmp_path / "kubeconfig")) as api:
        found = client.CoreV1Api(api).list_namespace()
    assert [each.metadata.name for each in found.items] == ["default", "harvester-system", "kube-system"]


def test_without_a_token_nobody_gets_in(server: ApiServer, tmp_path: Path) -> None:
    """No token and a wrong token are 401 Unauthorized."""
    with api_client(server.kubeconfig(tmp_path / "kubeconfig")) as api:
        for header in ("", "Bearer wrong", "Bearer", f"Basic {server.tokens.admin}", server.tokens.admin):
            headers = {"Authorization": header} if header else {}
            for path in ("/api/v1/namespaces", "/apis", "/openapi/v2", "/nowhere"):
                answer = api.call_api("GET", server.url + path, header_params=headers)
                assert answer.status == 401
                assert json.loads(answer.read())["reason"] == "Unauthorized"


def test_a_rotated_token_is_refused(server: ApiServer, tmp_path: Path) -> None:
    """After a rotation the old token is 401, and the token file has the one that is let in."""
    path = server.kubeconfig(tmp_path / "kubeconfig", token_file=True)
    with api_client(path) as api:
        client.CoreV1Api(api).list_namespace()
        token = server.tokens.rotate()
        assert refused(lambda: client.CoreV1Api(api).list_namespace()).status == 401
    assert (tmp_path / "state" / "token").read_text() == token
    with api_client(path) as api:
        assert client.CoreV1Api(api).list_namespace().items


def test_a_token_may_be_kept_for_a_while(server: ApiServer, tmp_path: Path) -> None:
    """A rotation that keeps the old token lets both in until the old one is revoked."""
    old = server.tokens.admin
    with api_client(server.kubeconfig(tmp_path / "kubeconfig")) as api:
        server.tokens.rotate(keep_old=True)
        client.CoreV1Api(api).list_namespace()
        server.tokens.revoke(old)
        assert refused(lambda: client.CoreV1Api(api).list_namespace()).status == 401


def test_a_user_is_told_apart(server: ApiServer, tmp_path: Path) -> None:
    """A kubeconfig of a user of its own shows in the record of writes."""
    with api_client(server.kubeconfig(tmp_path / "kubeconfig", user="updater")) as api:
        body = client.V1Namespace(metadata=client.V1ObjectMeta(name="mine"))
        client.CoreV1Api(api).create_namespace(body)
    assert [write.user for write in server.writes] == ["updater"]


def test_another_authority_is_not_trusted(server: ApiServer, tmp_path: Path) -> None:
    """A client that trusts another authority does not connect: the certificate is checked."""
    path = server.kubeconfig(tmp_path / "kubeconfig")
    other = ApiServer()
    assert other.ca is not None
    settings = yaml.safe_load(path.read_text())
    authority = tmp_path / "other.crt"
    authority.write_bytes(other.ca)
    del settings["clusters"][0]["cluster"]["certificate-authority-data"]
    settings["clusters"][0]["cluster"]["certificate-authority"] = str(authority)
    path.write_text(yaml.safe_dump(settings))
    with api_client(path) as api, pytest.raises(urllib3.exceptions.MaxRetryError) as caught:
        client.CoreV1Api(api).list_namespace(_request_timeout=5)
    assert isinstance(caught.value.reason, urllib3.exceptions.SSLError)


def test_plain_http_needs_no_token(tmp_path: Path) -> None:
    """Without TLS everybody gets in, unless tokens are asked for."""
    with ApiServer(tls=False) as server, api_client(server.kubeconfig(tmp_path / "kubeconfig")) as api:
        assert server.url.startswith("http://127.0.0.1:")
        api.configuration.api_key.clear()
        assert client.CoreV1Api(api).list_namespace().items
    with (
        ApiServer(tls=False, require_token=True) as server,
        api_client(server.kubeconfig(tmp_path / "kubeconfig")) as api,
    ):
        assert client.CoreV1Api(api).list_namespace().items
        api.configuration.api_key.clear()
        assert refused(lambda: client.CoreV1Api(api).list_namespace()).status == 401


def test_health_is_open(server: ApiServer) -> None:
    """/readyz answers without a token."""
    assert server.ca is not None
    context = ssl.create_default_context(cadata=server.ca.decode())
    with urllib.request.urlopen(f"{server.url}/readyz", context=context, timeout=60) as answer:
        assert answer.read() == b"ok"


def test_control_is_closed_unless_asked_for(server: ApiServer, tmp_path: Path) -> None:
    """Without `control` there is no /_lab/."""
    with api_client(server.kubeconfig(tmp_path / "kubeconfig")) as api:
        headers = {"Authorization": f"Bearer {server.tokens.admin}"}
        answer = api.call_api("GET", f"{server.url}/_lab/writes", header_params=headers)
    assert answer.status == 404
