"""The headers of requests, without an API server."""

from collections.abc import Mapping
from io import BytesIO

import pytest
import urllib3
from kubernetes.client import ApiClient, Configuration

from services.cluster.transport import TOKEN_KEPT_S, Transport
from tests.support.manual_clock import ManualClock


def test_a_token_is_read_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client finds a new one; to look for it with each request would take longer than all else."""
    configuration = Configuration(host="https://cluster.example")
    configuration.api_key["BearerToken"] = "Bearer first"
    client, clock = ApiClient(configuration), ManualClock()
    sent: list[tuple[str, str, Mapping[str, str]]] = []

    def urlopen(
        method: str, url: str, *, headers: Mapping[str, str], **_: object
    ) -> urllib3.BaseHTTPResponse:
        sent.append((method, url, headers))
        return urllib3.HTTPResponse(BytesIO(b"{}"), status=200, preload_content=False)

    monkeypatch.setattr(client.rest_client.pool_manager, "urlopen", urlopen)
    transport = Transport(lambda: client, clock)

    def tokens(*waits_s: float) -> list[str]:
        sent.clear()
        for wait_s in waits_s:
            clock.seconds += wait_s
            transport.request("GET", "/path", timeout_s=(1.0, 1.0), query=[("limit", "5")])
        assert {(method, url) for method, url, _ in sent} == {("GET", "https://cluster.example/path?limit=5")}
        return [headers["authorization"] for _, _, headers in sent]

    assert tokens(0) == ["Bearer first"]
    configuration.api_key["BearerToken"] = "Bearer second"
    assert tokens(TOKEN_KEPT_S - 1, 1, 0) == ["Bearer first", "Bearer second", "Bearer second"]
