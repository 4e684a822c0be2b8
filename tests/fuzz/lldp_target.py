"""The fuzz target of LLDP."""

from services.contract.limits import MAX_TOLD_CHARACTERS
from services.contract.member_nics import SwitchPort
from services.prober.frames import lldp


def read_lldp(data: bytes) -> None:
    """Parse a frame as LLDP: whatever a sender says can be announced and shown."""
    found = lldp.parse(data)
    if found is None:
        return
    for text in (found.chassis, found.port, found.description, found.name):
        assert text.isprintable()
        assert "`" not in text
        assert len(text) <= MAX_TOLD_CHARACTERS
    assert found.address is None or found.address.packed in data
    port = SwitchPort(
        switch=found.name or found.chassis,
        port=found.port,
        description=found.description,
        native_vlan=found.native_vlan,
        vlans=found.vlans,
    )
    assert sorted(port.vlans) == list(port.vlans)
    for first, last in port.vlans:
        assert first <= last
        assert first.to_bytes(2, "big") in data
