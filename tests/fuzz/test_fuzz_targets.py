"""Replay of the fuzz corpus and regressions, and variations of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.keeping import CORPUS, REGRESSIONS, read_inputs, write_inputs
from tests.fuzz.targets import TARGETS

MAX_BYTES = 1600
KEPT = {target: read_inputs(CORPUS, target) + read_inputs(REGRESSIONS, target) for target in TARGETS}


@st.composite
def variations(draw: st.DrawFn, target: str) -> bytes:
    """Draw a kept input with octets changed, inserted, removed or repeated; or arbitrary octets."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=MAX_BYTES))
    data = bytearray(draw(st.sampled_from(KEPT[target])))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "insert", "cut", "end", "repeat", "splice"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                data[at:at] = draw(st.binary(max_size=8))
            case "cut":
                del data[at : at + draw(st.integers(0, 8))]
            case "end":
                del data[at:]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(0, 64))] * draw(st.integers(1, 4))
            case "splice":
                data[at:] = draw(st.sampled_from(KEPT[target]))[at:]
    return bytes(data[:MAX_BYTES])


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_once_holds(target: str) -> None:
    """Inputs that once failed, or reach code that no other input reaches, pass."""
    assert KEPT[target], "a target without a single input is not looked at"
    for data in KEPT[target]:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_kept_may_end_anywhere(target: str) -> None:
    """Each input, truncated after each of its octets, passes; equal beginnings are tried once."""
    beginnings = {data[:end] for data in KEPT[target] for end in range(len(data))}
    for data in beginnings:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_variations_hold(target: str, data: st.DataObject) -> None:
    """Variations raise nothing, and nothing is reported that is not in the input."""
    TARGETS[target](data.draw(variations(target)))


@given(st.sets(st.binary(max_size=20), max_size=10))
def test_inputs_survive_being_kept(tmp_path_factory: pytest.TempPathFactory, inputs: set[bytes]) -> None:
    """Any input, even an empty one, can be written and read back."""
    folder = tmp_path_factory.mktemp("corpus")
    write_inputs(folder, "x", inputs)
    assert set(read_inputs(folder, "x")) == inputs
