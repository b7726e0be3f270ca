"""Which `credward get` is left to the native helper; the rest is read by the command itself."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from credward.cli.becoming import become_helper, native_helper, plain


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], []),
        (["gateway"], ["gateway"]),
        (["gateway", "--format", "json"], ["--format", "json", "gateway"]),
        (["--format=json", "gateway"], ["--format", "json", "gateway"]),
        (["a", "b", "--format", "headers"], ["--format", "headers", "a", "b"]),
        (["a.b_c-9", "--no-start"], ["--no-start", "a.b_c-9"]),
        (["--base-url", "https://a?b=c"], ["--base-url", "https://a?b=c"]),
    ],
)
def test_the_usual_question_is_the_helpers(words: list[str], arguments: list[str]) -> None:
    """In its words."""
    assert plain(words) == arguments


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["gateway", "--fresh"],
        ["gateway", "--min-remaining", "900"],
        ["gateway", "--audience", "x"],
        ["gateway", "../other"],
        ["a,b"],
        ["gateway", "--format"],
        ["gateway", "--format", "--no-start"],
        ["gateway", "--format="],
        ["../gateway"],
        [""],
        ["-"],
        ["ü"],
        ["x" * 65],
        ["--", "gateway"],
    ],
)
def test_what_the_helper_does_not_do_stays(words: list[str]) -> None:
    """Errors too: the command says them in its own words."""
    assert plain(words) is None


@pytest.mark.parametrize("interpreter", ["", "python", "./python"])
def test_a_helper_of_the_working_directory_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str
) -> None:
    """Python may not know where it is: a repository's program would take this process's place."""
    (tmp_path / "credward-helper").write_bytes(b"\x7fELF")
    (tmp_path / "credward-helper").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", interpreter)
    started: list[str] = []

    def execv(program: str, _: list[str]) -> None:
        started.append(program)
        # It does not return; after an error the signals are as before, here for the other tests.
        raise FileNotFoundError(program)

    monkeypatch.setattr("os.execv", execv)

    become_helper(["gateway"])
    assert started == []
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    become_helper(["gateway"])
    assert started == [str(tmp_path / "credward-helper")]
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN


@pytest.mark.parametrize(("first", "native"), [(b"\x7fELF", True), (b"#!/usr/bin/python", False)])
def test_the_python_helper_takes_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bytes, native: bool
) -> None:
    """It is `get` again, a second interpreter later."""
    helper = tmp_path / "credward-helper"
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert native_helper() is None

    helper.write_bytes(first)
    assert native_helper() == (str(helper) if native else None)
