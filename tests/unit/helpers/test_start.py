"""Auto-start as the helper has it: it runs `credward start` of its own directory, and believes it no more than needed.

What is started then, and for whom, is in tests/integration/test_start.py, with the real program.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from transcripts.programs import ROOT, native_helper, variants
from waiting import PATIENCE, until


@dataclass
class Installation:
    """A folder with a helper and a stand-in for `credward`, as a package manager would make it."""

    folder: Path
    command: list[str]
    socket: Path
    environment: dict[str, str]

    def plan(self, **plan: object) -> None:
        """Say what the stand-in is to do."""
        (self.folder / "start.json").write_text(json.dumps({"tests": str(ROOT / "tests"), **plan}))

    def popen(self, *words: str, **more: object) -> subprocess.Popen[bytes]:
        """Start a helper."""
        return subprocess.Popen(
            [*self.command, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,  # type: ignore[call-overload]
        )

    def run(self, *words: str, **more: object) -> tuple[int, str, str]:
        """Run a helper; its exit code and what it printed."""
        process = self.popen(*words, **more)
        out, err = process.communicate(timeout=2 * PATIENCE)
        return process.returncode, out.decode(), err.decode()

    def starts(self) -> list[dict]:
        """Return how the stand-in was run, each time."""
        path = self.folder / "starts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=variants("musl", "gcc-sanitized"))
def installed(
    request: pytest.FixtureRequest, directory: Path, environment: dict[str, str], socket_path: Path
) -> Iterator[Installation]:
    """The helper of one implementation; the socket is at a place where it does not look by itself."""
    folder = directory / "bin"
    folder.mkdir()
    binary = native_helper(request.param)
    if binary is None:
        pytest.skip(f"no compiler for {request.param}")
    command = [str(shutil.copy(binary, folder / "credward-helper"))]
    stand_in = (ROOT / "tests/fakes/credward_start.py").read_text()
    (folder / "credward").write_text(f"#!{sys.executable}\n{stand_in}")
    (folder / "credward").chmod(0o755)
    del environment["CREDWARD_NO_START"]
    found = directory / "found/credward/credward.sock"
    made = Installation(folder, command, found, environment)
    made.plan(serve=str(found), say=f"{found}\n")
    yield made
    (folder / "start.json").unlink(missing_ok=True)
    until(lambda: not found.exists())


def test_has_the_daemon_started_and_prints_its_token(installed: Installation) -> None:
    """The first question of a day is answered like all others, wherever the daemon then listens."""
    result = installed.run("--timeout", "100", "x")

    assert result == (0, "started\n", "")
    assert [start["arguments"] for start in installed.starts()] == [["start"]]


def test_s1_the_starter_inherits_only_what_is_listed(installed: Installation) -> None:
    """No home, configuration, search path or import of a repository; four raw values to be judged."""
    installed.environment |= {
        "ANTHROPIC_API_KEY": "secret",
        "HOME": "/repo",
        "CREDWARD_CONFIG": "/repo/evil.toml",
        "PYTHONPATH": "/repo",
        "PYTHONHOME": "/repo",
        "PYTHONSTARTUP": "/repo/evil.py",
        "LD_PRELOAD_": "x",
        "PATH": "/repo/bin:/usr/bin:/bin",
        "USER": "u",
        "XDG_DATA_HOME": "/repo",
        "XDG_CONFIG_HOME": "/repo/.cfg",
        "XDG_STATE_HOME": "/repo/.state",
        "LANG": "C.UTF-8",
        "DBUS_SESSION_BUS_ADDRESS": "unixexec:path=/repo/evil",
    }
    installed.run("--timeout", "100", "x", cwd="/usr")
    (start,) = installed.starts()
    for interpreters_own in ("LC_CTYPE", "__CF_USER_TEXT_ENCODING"):
        start["environment"].pop(interpreters_own, None)

    assert start["environment"] == {
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": "/repo/.cfg",
        "XDG_STATE_HOME": "/repo/.state",
        "XDG_RUNTIME_DIR": installed.environment["XDG_RUNTIME_DIR"],
        "DBUS_SESSION_BUS_ADDRESS": "unixexec:path=/repo/evil",
        # No program goes by these two.
        "CREDWARD_CALLER_HOME": "/repo",
        "CREDWARD_CALLER_CONFIG": "/repo/evil.toml",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    assert start["directory"] == "/"


def test_the_starter_holds_nothing_of_the_caller(installed: Installation) -> None:
    """A harness waits for the end of what it passed on, and Ctrl-C is not for the daemon."""
    ours, theirs = os.pipe()
    installed.run("--timeout", "100", "x", pass_fds=(theirs,))
    os.close(theirs)
    (start,) = installed.starts()

    assert start["descriptors"]["0"] == "/dev/null"
    assert start["descriptors"]["1"] == start["descriptors"]["2"]
    assert start["leads_session"]
    assert os.read(ours, 1) == b""
    os.close(ours)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_descriptors_are_not_taken_for_the_starters(
    installed: Installation, closed: tuple[int, ...]
) -> None:
    """The pipe to the starter may get one of their numbers."""
    shut = " ".join(f"{number}>&-" for number in closed)
    command = ["/bin/sh", "-c", f'exec "$@" {shut}', "sh", *installed.command]
    installed.command = command
    code, out, _ = installed.run("--timeout", "100", "x")

    assert (code, out) == ((70, "") if 1 in closed else (0, "started\n"))
    assert len(installed.starts()) == 1


def test_a_parent_that_ignores_its_children_is_no_matter(installed: Installation) -> None:
    """SIGCHLD stays ignored over exec, and then nobody would be told how the starter ended."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        process = installed.popen("--timeout", "100", "x", restore_signals=False)
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert process.communicate(timeout=2 * PATIENCE) == (b"started\n", b"")
    assert process.returncode == 0


def test_what_the_starter_complains_of_is_said(installed: Installation) -> None:
    """Cause and command in one line, and the exit code of its kind."""
    line = "credward: /h/config.toml:3: unknown key: run credward config check\n"
    installed.plan(exit=78, say=line)

    assert installed.run("--timeout", "100", "x") == (78, "", line)


@pytest.mark.parametrize(
    ("plan", "shown"),
    [
        ({"exit": 1, "say": "Traceback (most recent call last):\n"}, "1"),
        ({"signal": "SIGKILL"}, "137"),
    ],
    ids=["a traceback", "a kill"],
)
def test_a_starter_that_breaks_is_named(
    installed: Installation, plan: dict[str, object], shown: str
) -> None:
    """What it printed then is no line of ours."""
    installed.plan(**plan)

    assert installed.run("--timeout", "100", "x") == (
        69,
        "",
        f"credward: the daemon does not start (exit {shown}): run credward start to see why\n",
    )


@pytest.mark.parametrize(
    "said", ["", "relative/credward.sock\n", "/nowhere/credward.sock\n", "/" + "a" * 200 + "\n"]
)
def test_a_socket_that_nobody_serves_is_an_error(installed: Installation, said: str) -> None:
    """Also a path that is none, or too long for a socket."""
    installed.plan(say=said)

    assert installed.run("--timeout", "100", "x") == (
        69,
        "",
        "credward: the daemon was started but does not answer: run credward status\n",
    )


def test_s1_a_socket_from_the_starter_is_trusted_no_more_than_others(
    installed: Installation,
) -> None:
    """In a directory that others can write it is refused."""
    installed.socket.parent.mkdir(mode=0o700, parents=True)
    installed.socket.parent.chmod(0o777)
    code, out, err = installed.run("--timeout", "100", "x")

    assert (code, out) == (78, "")
    assert "can be written by others, so it is not trusted" in err


def test_a_start_that_hangs_costs_the_deadline(installed: Installation) -> None:
    """The line says that it may yet come; the starter goes on."""
    installed.plan(delay=5)
    code, out, err = installed.run("--timeout", "0.5", "x")

    assert (code, out) == (75, "")
    assert err == (
        "credward: the daemon was started but does not answer yet: "
        "try again, or run credward status\n"
    )


def test_the_time_of_the_start_is_taken_from_the_question(installed: Installation) -> None:
    """The daemon answers before the one deadline, not before a new one."""
    installed.plan(serve=str(installed.socket), say=f"{installed.socket}\n", delay=5.0)
    code, _, err = installed.run("--timeout", "1.5", "x")

    assert code == 75
    assert "does not answer yet" in err


def test_s10_of_fifty_helpers_one_runs_it(installed: Installation, socket_path: Path) -> None:
    """The others look for the daemon meanwhile: fifty interpreters would take all that a machine has."""
    installed.plan(serve=str(socket_path), say=f"{socket_path}\n", delay=0.5)
    crowd = [installed.popen("--timeout", "200", "x") for _ in range(50)]
    results = [(process.communicate(timeout=2 * PATIENCE), process.returncode) for process in crowd]

    assert results == [((b"started\n", b""), 0)] * 50
    assert len(installed.starts()) == 1


def test_a_lock_that_somebody_holds_for_ever_costs_a_moment(installed: Installation) -> None:
    """Every user of the machine can lock the program: it is waited for, and then run."""
    with (installed.folder / "credward").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = installed.run("--timeout", "16", "x")

    assert result == (0, "started\n", "")


def test_a_helper_that_is_linked_finds_its_own_directory(
    installed: Installation, directory: Path
) -> None:
    """Tool installers put links into ~/.local/bin."""
    link = directory / "linked-helper"
    link.symlink_to(installed.command[-1])
    installed.command[-1] = str(link)

    assert installed.run("--timeout", "100", "x")[0] == 0


def test_a_session_is_handed_on_to_be_judged(installed: Installation) -> None:
    """The one mark of a restricted place that is in the environment alone."""
    installed.environment["CREDWARD_SESSION"] = "s1"
    installed.run("--timeout", "100", "x")

    assert installed.starts()[0]["environment"]["CREDWARD_SESSION"] == "s1"


@pytest.mark.parametrize("length", [30, 5000])
def test_what_no_start_goes_by_is_told_under_other_names(
    installed: Installation, length: int
) -> None:
    """For the message only: an interpreter would follow HOME. Too long for a path: not told."""
    installed.environment["HOME"] = home = f"/{'h' * length}"
    installed.environment["CREDWARD_CONFIG"] = "/c.toml"
    installed.run("--timeout", "100", "x")
    told = installed.starts()[0]["environment"]

    assert told.keys().isdisjoint({"HOME", "CREDWARD_CONFIG"})
    assert told.get("CREDWARD_CALLER_HOME") == (home if length < 4096 else None)
    assert told["CREDWARD_CALLER_CONFIG"] == "/c.toml"


@pytest.mark.parametrize(
    "forbid",
    [
        lambda environment: environment.update(CREDWARD_NO_START="1"),
        lambda environment: environment.update(CREDWARD_SOCKET="/nowhere/credward.sock"),
    ],
    ids=["switched off", "another socket"],
)
def test_a_daemon_that_is_not_wanted_is_not_started(
    installed: Installation, forbid: Callable[[dict[str, str]], None]
) -> None:
    """The words for each are in the transcripts."""
    forbid(installed.environment)
    code, out, err = installed.run("x")

    assert (code, out) == (69, "")
    assert "unset CREDWARD_" in err
    assert installed.starts() == []


def test_no_start_that_is_off_is_no_word_against_it(installed: Installation) -> None:
    """CREDWARD_NO_START=0 means that it may be started."""
    installed.environment["CREDWARD_NO_START"] = "0"

    assert installed.run("--timeout", "100", "x")[0] == 0
