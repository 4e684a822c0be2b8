"""What is hidden in a bundle: a secret in every form in which a text may have it."""

import json
from urllib.parse import quote, quote_plus

import pytest

from services.view.doctor.bundle_contents import hide_secrets, without_secrets

SECRET = 'pä$$ w@rd/#?%41"\\'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        "".join(f"%{byte:02X}" for byte in SECRET.encode()),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
    ],
)
def test_a_secret_is_hidden_however_it_is_written(written: str) -> None:
    """Percent-encoded in whole or in part, in letters of either case, or escaped."""
    assert hide_secrets(f"got {written}, twice: {written}", [SECRET]) == "got ***, twice: ***"


def test_keys_and_values_at_any_depth_are_cleaned() -> None:
    """The longer one of two first; what is too short to be told from words stays."""
    found = without_secrets({"a-token-b": [{"x": "a-token"}, 1, None]}, ["token", "a-token-b", "x"])
    assert found == {"***": [{"x": "a-***"}, 1, None]}
