"""What is piped into a command."""

import io
import sys

import pytest

from credward.cli.standard_input import read_text
from credward.errors import BrokerError, Kind


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch):
    def give(raw: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))

    return give


def test_text(given) -> None:
    """Whole, or its first line."""
    given("ä\nb\n".encode())
    assert read_text(10) == "ä\nb\n"
    given("ä\nb\n".encode())
    assert read_text(10, one_line=True) == "ä\n"
    given(b"")
    assert read_text(10) == ""


def test_too_much(given) -> None:
    """Is cut, also in mid-character: whoever limits the length says so."""
    given("ä".encode() * 100)
    assert read_text(11) == "äääää"


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"secret\x80", bytes(range(256))])
def test_what_is_no_text(given, raw: bytes) -> None:
    """Refused in one line, without a trace of it."""
    given(raw)
    with pytest.raises(BrokerError) as caught:
        read_text(1000)
    assert caught.value.kind is Kind.BAD_REQUEST
    assert "secret\\" not in str(caught.value)
