"""A NAD without a configuration is no VM network: it is left alone, and no Warning is posted on it."""

import pytest

from services.contract.outcomes import Reason, State
from services.network.parse.intent import Channel, NotProbed, read_intent
from services.network.parse.nad import Network

METADATA = {"namespace": "default", "name": "net", "uid": "uid-1", "resourceVersion": "1"}


@pytest.mark.parametrize(
    "body",
    [{}, {"spec": None}, {"spec": {}}, {"spec": {"config": None}}, {"spec": {"config": ""}}],
    ids=["no spec", "null spec", "empty spec", "null config", "empty config"],
)
def test_a_network_without_config_is_ignored(body: dict[str, object]) -> None:
    """Nothing is written to a NAD without spec, with an empty spec or an empty config, nor told of it."""
    found = read_intent(Network.from_object({"metadata": METADATA, **body}))
    assert isinstance(found, NotProbed)
    assert (found.state, found.reason, found.channel) == (State.IGNORED, Reason.NOT_A_BRIDGE, Channel.NOTHING)
