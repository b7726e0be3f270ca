"""How the command line speaks."""

import pytest

from credward.cli.output import format_duration, print_error, print_table
from credward.errors import BrokerError, Kind


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (430, "7m10s"),
        (11_100, "3h05m"),
        (187_200, "2d04h"),
        (-5, "-5s"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """Two units at most."""
    assert format_duration(seconds) == text


def test_tables_are_aligned_and_end_without_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain text where there is no terminal."""
    print_table(("A", "LONG"), [("wide cell", "x")], colour_of={"x": "red"})

    assert capsys.readouterr().out == "A          LONG\nwide cell  x\n"


def test_hints_are_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """A harness that shows the first line only gets one line."""
    print_error(BrokerError(Kind.DENIED, "no", hint="more"))

    assert capsys.readouterr().err == "credward: no\n"


def test_a_terminal_is_told_nothing_that_it_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    """Names and messages may come from elsewhere: no colour, no clipboard, no title, no new line."""
    print_error(BrokerError(Kind.DENIED, "no \x1b]52;c;eA==\a\nyes \u202ex"))
    print_table(("A",), [("\x1b[2J\x9bme",)])

    said = capsys.readouterr()
    assert said.err == "credward: no \ufffd]52;c;eA==\ufffd\ufffdyes \ufffdx\n"
    assert said.out == "A\n\ufffd[2J\ufffdme\n"
