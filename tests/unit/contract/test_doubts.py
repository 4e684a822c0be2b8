"""The record of a doubt: bounded, and refused as a whole where a field does not fit."""

import pytest

from services.contract.doubts import MAX_HEARD, Doubt, DoubtKind
from services.contract.errors import MessageRefused
from services.contract.messages import Segment

SEGMENT = Segment(cluster_network="extra", vlan=7)


@pytest.mark.parametrize("kind", DoubtKind)
def test_a_doubt_arrives_as_it_was_sent(kind: DoubtKind) -> None:
    """With and without hosts that were heard."""
    for heard in ((), ("node1", "node2")):
        doubt = Doubt(segment=SEGMENT, kind=kind, heard=heard, ask=2)
        assert Doubt.from_wire(doubt.to_wire()) == doubt


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"kind": "worse"}, "kind"),
        ({"ask": -1}, "ask"),
        ({"ask": "2"}, "ask"),
        ({"heard": ["NODE1"]}, "heard.0"),
        ({"heard": ["node1"] * (MAX_HEARD + 1)}, "heard"),
        ({"segment": {"cluster_network": "extra", "vlan": 4095}}, "segment.vlan"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields: dict[str, object], named: str) -> None:
    """The error names the field that is unknown, of the wrong type or too large."""
    wire = Doubt(segment=SEGMENT, kind=DoubtKind.SILENT, ask=2).to_wire() | fields
    with pytest.raises(MessageRefused, match=rf"^Doubt: {named}: "):
        Doubt.from_wire(wire)
