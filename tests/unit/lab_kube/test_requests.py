"""Parsing of paths, selectors and Accept headers."""

import pytest

from lab.kube.errors import ApiError
from lab.kube.faults import Action, Fault
from lab.kube.negotiation import Page, accepted
from lab.kube.requests import Match, parse
from lab.kube.resource_type import ResourceType
from lab.kube.resources import EVENTS, NADS, TABLE
from lab.kube.selectors import select

ROOT = "/apis/k8s.cni.cncf.io/v1"
NAD = "network-attachment-definitions"


def request(method: str, path: str, *, watch: bool = False) -> tuple[str, str, str | None, str]:
    """Return verb, plural, namespace and name of a request."""
    found = parse(method=method, path=path, watch=watch, user_agent="")
    return found.verb, found.kind.plural, found.namespace, found.name


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", f"{ROOT}/{NAD}", ("list", NAD, None, "")),
        ("GET", f"{ROOT}/namespaces/a/{NAD}", ("list", NAD, "a", "")),
        ("GET", f"{ROOT}/namespaces/a/{NAD}/b", ("get", NAD, "a", "b")),
        ("POST", f"{ROOT}/namespaces/a/{NAD}", ("create", NAD, "a", "")),
        ("PUT", f"{ROOT}/namespaces/a/{NAD}/b", ("update", NAD, "a", "b")),
        ("PATCH", f"{ROOT}/namespaces/a/{NAD}/b", ("patch", NAD, "a", "b")),
        ("DELETE", f"{ROOT}/namespaces/a/{NAD}/b", ("delete", NAD, "a", "b")),
        ("DELETE", f"{ROOT}/namespaces/a/{NAD}", ("deletecollection", NAD, "a", "")),
        ("GET", "/api/v1/namespaces", ("list", "namespaces", None, "")),
        ("GET", "/api/v1/namespaces/a", ("get", "namespaces", None, "a")),
        ("GET", "/api/v1/namespaces/a/events", ("list", "events", "a", "")),
        ("GET", "/api/v1/namespaces/a/events/b%2Ec", ("get", "events", "a", "b.c")),
        ("GET", "/api/v1/nodes/a", ("get", "nodes", None, "a")),
    ],
)
def test_paths(method: str, path: str, expected: tuple[str, str, str | None, str]) -> None:
    """A path and a method are one verb on one resource."""
    assert request(method, path) == expected


def test_a_watch_is_a_verb() -> None:
    """?watch turns a list and a get into a watch, and nothing else."""
    assert request("GET", f"{ROOT}/{NAD}", watch=True)[0] == "watch"
    assert request("POST", f"{ROOT}/namespaces/a/{NAD}", watch=True)[0] == "create"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 404),
        ("GET", "/api", 404),
        ("GET", "/api/v1/podtemplates", 404),
        ("GET", "/api/v2/namespaces", 404),
        ("GET", f"/api/v1/{NAD}", 404),
        ("GET", f"{ROOT}/{NAD}/b", 404),
        ("GET", f"{ROOT}/namespaces/a/{NAD}/b/status", 404),
        ("GET", "/api/v1/namespaces/a/nodes", 404),
        ("PATCH", f"{ROOT}/{NAD}", 405),
        ("POST", f"{ROOT}/namespaces/a/{NAD}/b", 405),
    ],
)
def test_paths_that_are_none(method: str, path: str, code: int) -> None:
    """An unknown resource gets a 404, an unsupported method a 405."""
    with pytest.raises(ApiError) as caught:
        request(method, path)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.plural)
def test_every_row_is_served(kind: ResourceType) -> None:
    """Each type of the table has its own path."""
    home = "/namespaces/a" if kind.namespaced else ""
    assert request("GET", f"{kind.root}{home}/{kind.plural}/b")[1] == kind.plural


@pytest.mark.parametrize("selector", ["a b", "a in b", "=b", "a=b=c", "(a)", "a in (b", "a>5"])
def test_label_selectors_that_are_none(selector: str) -> None:
    """An invalid selector gets a 400, never everything or nothing."""
    with pytest.raises(ApiError) as caught:
        select(NADS, namespace=None, labels=selector, fields="")
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("fields", "found"), [("type=Normal", True), ("type!=Normal", False), ("reason=x", False)]
)
def test_event_fields(fields: str, found: bool) -> None:
    """Events are selected by their own fields."""
    event = {"metadata": {"name": "a"}, "type": "Normal", "reason": "y"}
    selection = select(EVENTS, namespace=None, labels="", fields=fields)
    assert selection.matches(event) is found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "table"),
        ("application/vnd.kubernetes.protobuf,application/json", "json"),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io,application/json", "json"),
    ],
)
def test_accept(accept: str, form: str) -> None:
    """The first form that can be served is used."""
    assert accepted(accept) == form


def test_what_cannot_be_served_is_not_acceptable() -> None:
    """A client that accepts only protobuf gets a 406."""
    with pytest.raises(ApiError) as caught:
        accepted("application/vnd.kubernetes.protobuf")
    assert caught.value.code == 406


@pytest.mark.parametrize("token", ["", "x", "W10", "eyJ2IjoxfQ", "WyJhIiwiYiIsImMiXQ", "é"])
def test_broken_page_tokens(token: str) -> None:
    """An invalid continue token gets a 400."""
    with pytest.raises(ApiError) as caught:
        Page.parse(token, oldest=0)
    assert caught.value.code == 400


def test_page_tokens_come_back() -> None:
    """A token gives its page back; one from before the oldest version gets a 410."""
    page = Page(version=7, after=("ns", "n1"))
    assert Page.parse(page.token(), oldest=7) == page
    with pytest.raises(ApiError) as caught:
        Page.parse(page.token(), oldest=8)
    assert caught.value.code == 410


def test_a_fault_strikes_no_more_than_it_may() -> None:
    """A fault for one request applies once, and never after it is cancelled."""
    found = parse(method="GET", path=f"{ROOT}/{NAD}", watch=False, user_agent="")
    once = Fault(1, Match(), Action(), 1)
    assert [once.take(found) for _ in range(3)] == [True, False, False]
    always = Fault(2, Match(), Action(), None)
    assert always.take(found)
    always.cancel()
    assert not always.take(found)
