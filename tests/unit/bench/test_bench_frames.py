"""The frames of the parsing benchmark, the reader of profiles, and the steps."""

from bench.frames import good_frames, hostile_frames
from bench.parsing import reader
from bench.profiling import read_stacks, report
from bench.steps import one_run
from services.prober.frames.arp import ARPMessage
from services.prober.frames.dhcp import Reply
from services.prober.frames.ignore_reasons import IgnoreReason


def test_good_frames_are_read_to_their_end() -> None:
    """The good frames are parsed completely, not refused early."""
    read = {name: reader()(frame) for name, frame in good_frames().items()}
    assert isinstance(read["OFFER"], Reply)
    assert read["OFFER"].gateway == 0x0A007001
    assert isinstance(read["ARP reply"], ARPMessage)


def test_hostile_frames_are_refused_or_read_and_never_raise() -> None:
    """Each hostile frame could come from a socket; it is refused or parsed and raises nothing."""
    for name, frame in hostile_frames().items():
        assert len(frame) <= 1514, name
        assert isinstance(reader()(frame), Reply | IgnoreReason | None), name


def test_a_profile_leaves_start_up_out_and_counts_a_recursion_once() -> None:
    """Only stacks of the exchange count, and a recursive function counts once per stack."""
    stacks = read_stacks(
        [
            "run (t.py:1);Runner._run (r.py:1);turn (r.py:2);turn (r.py:2) 6",
            "main (m.py:1);scan (s.py:1) 2",
            "main (m.py:1);load (scapy.py:1) 90",
            "nonsense",
        ]
    )
    text = report(stacks)
    assert text.startswith("8 samples")
    assert " 75.0%  75.0%  turn (r.py:2)" in text
    assert "scapy" not in text


def test_the_steps_that_are_measured_take_every_vlan_to_its_end() -> None:
    """Every step runs for every VLAN: a step that the engine no longer has would measure as free."""
    assert all(microseconds > 0.1 for microseconds in one_run().values())
