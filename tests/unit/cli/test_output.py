"""How the command line speaks."""

import pytest

from credward.cli.output import print_error, print_table, viewer
from credward.errors import BrokerError, Kind
from credward.text.viewer import Viewer


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


def test_whoever_looks_has_the_home_and_the_choice_of_this_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable that is empty is not set."""
    monkeypatch.setenv("HOME", "/h/ada")
    monkeypatch.setenv("CREDWARD_CREDENTIAL", "spare")

    assert viewer(80) == Viewer(home="/h/ada", choice="spare", width=80)
    monkeypatch.setenv("CREDWARD_CREDENTIAL", "")
    monkeypatch.delenv("HOME")
    assert viewer() == Viewer()
