"""What requests look like, whoever answers them."""

from collections.abc import Iterator

import pytest
from kubernetes.client import ApiClient, Configuration

from services.cluster.errors import Unavailable
from services.cluster.http.session import TOKEN_KEPT_S
from services.cluster.http.transport import Transport
from tests.support.manual_clock import ManualClock
from tests.support.scripted_http import ScriptedHttp, scripted_http

SHORT = (5.0, 5.0)


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with scripted_http() as running:
        yield running


def configured(url: str, token: str = "Bearer first") -> Configuration:
    configuration = Configuration(host=url)
    configuration.retries = 0
    configuration.api_key["BearerToken"] = token
    return configuration


def test_a_request_has_what_a_server_needs(server: ScriptedHttp) -> None:
    """The path below that of the server's URL, the query, who asks, and a body of JSON with its length."""
    client = ApiClient(configured(f"{server.url}/k8s/clusters/c-1/"))
    client.user_agent = "nadroute/1"
    transport = Transport(lambda: client, ManualClock())
    transport.request(
        "PATCH", "/apis/a%2Fb", timeout_s=SHORT, query=[("a", "b c")], body={"k": 1}, content_type="text/x"
    )
    transport.close()
    (request,) = (request.decode() for _, request in server.requests)
    head, _, body = request.partition("\r\n\r\n")
    first, *fields = head.split("\r\n")
    assert (first, body) == ("PATCH /k8s/clusters/c-1/apis/a%2Fb?a=b+c HTTP/1.1", '{"k": 1}')
    assert dict(field.split(": ", 1) for field in fields) == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "nadroute/1",
        "authorization": "Bearer first",
        "Content-Type": "text/x",
        "Content-Length": "8",
    }


def test_a_token_is_read_again_after_a_while(server: ScriptedHttp) -> None:
    """The client finds a new one; to look for it with each request would take longer than all else."""
    configuration, clock = configured(server.url), ManualClock()
    transport = Transport(lambda: ApiClient(configuration), clock)

    def tokens(*waits_s: float) -> list[str]:
        server.requests.clear()
        for wait_s in waits_s:
            clock.seconds += wait_s
            transport.request("GET", "/path", timeout_s=SHORT)
        return [
            request.decode().split("authorization: ")[1].split("\r\n")[0] for _, request in server.requests
        ]

    assert tokens(0) == ["Bearer first"]
    configuration.api_key["BearerToken"] = "Bearer second"
    assert tokens(TOKEN_KEPT_S - 1, 1, 0) == ["Bearer first", "Bearer second", "Bearer second"]
    transport.close()


def test_a_line_break_behind_a_token_does_not_matter(server: ScriptedHttp) -> None:
    """A file that holds one may end with it."""
    transport = Transport(lambda: ApiClient(configured(server.url, "Bearer first\n")), ManualClock())
    transport.request("GET", "/path", timeout_s=SHORT)
    transport.close()
    assert b"authorization: Bearer first\r\n" in server.requests[0][1]


@pytest.mark.parametrize("token", ["Bearer secret\r\nX: y", "Bearer secret\x00x", "Bearer secret\u2028x"])
def test_a_token_that_would_end_its_field_is_refused(server: ScriptedHttp, token: str) -> None:
    """Nothing is sent, and the error names the field without the token."""
    transport = Transport(lambda: ApiClient(configured(server.url, token)), ManualClock())
    with pytest.raises(Unavailable, match="authorization: expected printable ASCII") as caught:
        transport.request("GET", "/path", timeout_s=SHORT)
    assert "secret" not in str(caught.value)
    assert not server.requests


def test_a_proxy_is_asked(server: ScriptedHttp) -> None:
    """The request goes to the proxy that a kubeconfig names, and names the server."""
    configuration = configured("http://cluster.example")
    configuration.proxy = server.url
    transport = Transport(lambda: ApiClient(configuration), ManualClock())
    assert transport.request("GET", "/path", timeout_s=SHORT) == {}
    transport.close()
    assert server.requests[0][1].startswith(b"GET http://cluster.example/path HTTP/1.1\r\n")
