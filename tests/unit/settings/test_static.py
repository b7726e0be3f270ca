"""Settings of `static`."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from credward.settings.references import Reference
from credward.settings.static import Settings


def test_reads_a_reference():
    """And a day, as TOML date or as text."""
    for day in (dt.date(2027, 1, 31), "2027-01-31"):
        settings = msgspec.convert({"secret": {"env": "K"}, "rotate_after": day}, Settings)

        assert settings.meaning.handed_out == Reference(env="K")
        assert settings.rotate_after == dt.date(2027, 1, 31)
        assert msgspec.convert(msgspec.to_builtins(settings), Settings) == settings


def test_a_literal_secret_is_refused_with_what_to_write():
    """The message does not repeat it."""
    with pytest.raises(msgspec.ValidationError, match="written out") as caught:
        msgspec.convert({"secret": "sk-canary"}, Settings)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("words", [{}, {"secret": {"env": "K"}, "kind": "aws"}])
def test_nonsense_is_refused(words):
    """No secret at all, and a kind that one text cannot be."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(words, Settings)
