"""Auto-start: the helper starts the daemon of its own directory, once, and never from a restricted place."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from transcripts.programs import HELPERS, ROOT, native_helper
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(
    "NoNewPrivs:\t1" in Path("/proc/self/status").read_text()
    or "Seccomp:\t2" in Path("/proc/self/status").read_text(),
    reason="a restricted place, from which nothing is started",
)


@dataclass
class Installation:
    """A folder with a helper and a stand-in for the daemon, as a package manager would make it."""

    folder: Path
    command: list[str]
    socket: Path
    environment: dict[str, str]

    def plan(self, **plan: object) -> None:
        """Say what the stand-in is to do."""
        (self.folder / "start.json").write_text(json.dumps({"tests": str(ROOT / "tests"), **plan}))

    def popen(
        self, *words: str, before: tuple[str, ...] = (), **more: object
    ) -> subprocess.Popen[bytes]:
        """Start a helper."""
        return subprocess.Popen(
            [*before, *self.command, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,  # type: ignore[call-overload]
        )

    def run(
        self, *words: str, before: tuple[str, ...] = (), **more: object
    ) -> tuple[int, str, str]:
        """Run a helper; its exit code and what it printed."""
        process = self.popen(*words, before=before, **more)
        out, err = process.communicate(timeout=2 * PATIENCE)
        return process.returncode, out.decode(), err.decode()

    def starts(self) -> list[dict]:
        """Return how the stand-in was started, each time."""
        path = self.folder / "starts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=["musl", "gcc-sanitized", "twin"])
def installed(
    request: pytest.FixtureRequest, directory: Path, environment: dict[str, str], socket_path: Path
) -> Iterator[Installation]:
    """The helper of one implementation with a stand-in beside it."""
    folder = directory / "bin"
    folder.mkdir()
    if request.param == "twin":
        copy = shutil.copy(HELPERS / "helper.py", folder / "credward-helper")
        command = [sys.executable, "-I", "-S", str(copy)]
    else:
        binary = native_helper(request.param)
        if binary is None:
            pytest.skip(f"no compiler for {request.param}")
        command = [str(shutil.copy(binary, folder / "credward-helper"))]
    stand_in = (ROOT / "tests/fakes/credward_serve.py").read_text()
    (folder / "credward").write_text(f"#!{sys.executable}\n{stand_in}")
    (folder / "credward").chmod(0o755)
    configuration = directory / "home/.config/credward/config.toml"
    configuration.parent.mkdir(parents=True)
    configuration.touch()
    del environment["CREDWARD_NO_START"]
    made = Installation(folder, command, socket_path, environment)
    made.plan(serve=str(socket_path))
    yield made
    (folder / "start.json").unlink(missing_ok=True)
    until(lambda: not socket_path.exists())


def test_starts_the_daemon_and_prints_its_token(installed: Installation) -> None:
    """The first question of a day is answered like all others."""
    result = installed.run("--timeout", "100", "x")

    assert result == (0, "started\n", "")
    assert [start["arguments"] for start in installed.starts()] == [["serve", "--detach"]]


def test_the_daemon_inherits_only_what_is_listed(installed: Installation) -> None:
    """No secret, no configuration of a repository, no search path of the caller, no descriptor."""
    installed.environment |= {
        "ANTHROPIC_API_KEY": "secret",
        "CREDWARD_CONFIG": "/repo/evil.toml",
        "PYTHONPATH": "/repo",
        "LD_PRELOAD_": "x",
        "PATH": "/repo/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "USER": "u",
        "LOGNAME": "u",
        "XDG_DATA_HOME": "/data",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/bus",
    }
    ours, theirs = os.pipe()
    installed.run("--timeout", "100", "x", pass_fds=(theirs,), cwd="/usr")
    os.close(theirs)
    (start,) = installed.starts()
    for interpreters_own in ("LC_CTYPE", "__CF_USER_TEXT_ENCODING"):
        start["environment"].pop(interpreters_own, None)

    assert start["environment"] == {
        "HOME": installed.environment["HOME"],
        "USER": "u",
        "LOGNAME": "u",
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": installed.environment["XDG_RUNTIME_DIR"],
        "XDG_DATA_HOME": "/data",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/bus",
        "PATH": "/usr/bin:/bin",
    }
    assert start["descriptors"] == dict.fromkeys("012", "/dev/null")
    assert start["leads_session"]
    assert start["directory"] == "/"
    # A harness waits for the end of what it passed on: the daemon must not hold it.
    assert os.read(ours, 1) == b""
    os.close(ours)


def test_s10_fifty_helpers_start_one_daemon(installed: Installation) -> None:
    """A harness starts its sessions at once."""
    installed.plan(serve=str(installed.socket), delay=0.5)
    crowd = [installed.popen("--timeout", "100", "x") for _ in range(50)]
    results = [(process.communicate(timeout=2 * PATIENCE), process.returncode) for process in crowd]

    assert results == [((b"started\n", b""), 0)] * 50
    assert len(installed.starts()) == 1


def waits_at_lock(pid: int) -> bool:
    """Return whether a helper has begun to start the daemon, or to wait for whoever does."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(each))
    return any(name.endswith("/start.lock") for name in found)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_failing_start_is_told_to_those_who_waited(installed: Installation) -> None:
    """Ten callers of a broken daemon do not start it ten times."""
    go_on = installed.folder / "go-on"
    installed.plan(hold=str(go_on), exit=78)
    crowd = [installed.popen("--timeout", "100", "x") for _ in range(10)]
    until(lambda: all(waits_at_lock(process.pid) for process in crowd))
    go_on.touch()
    results = [(process.communicate(timeout=2 * PATIENCE), process.returncode) for process in crowd]

    line = b"credward: the daemon does not start (exit 78): run credward serve to see why\n"
    assert results == [((b"", line), 69)] * 10
    assert len(installed.starts()) == 1


def test_a_start_after_a_failed_one_is_tried_again(installed: Installation) -> None:
    """A record of failure is for those who were there."""
    installed.plan(exit=70)
    first = installed.run("--timeout", "100", "x")
    installed.plan(serve=str(installed.socket))
    second = installed.run("--timeout", "100", "x")

    assert first[0] == 69
    assert second == (0, "started\n", "")


def test_a_daemon_that_runs_already_is_asked(installed: Installation) -> None:
    """Exit 73 means that somebody else was quicker, by another way."""
    installed.plan(serve=str(installed.socket), exit=73)

    assert installed.run("--timeout", "100", "x") == (0, "started\n", "")


def test_a_daemon_that_hangs_costs_the_deadline(installed: Installation) -> None:
    """The line says that it may yet come."""
    installed.plan(delay=5)
    code, out, err = installed.run("--timeout", "0.5", "x")

    assert (code, out) == (75, "")
    assert err == (
        "credward: the daemon was started but does not answer yet: "
        "try again, or run credward status\n"
    )


def test_the_time_of_the_start_is_taken_from_the_question(installed: Installation) -> None:
    """The daemon answers before the one deadline, not before a new one."""
    installed.plan(serve=str(installed.socket), delay=5.0)
    code, _, err = installed.run("--timeout", "1.5", "x")

    assert code == 75
    assert "does not answer yet" in err


def test_a_virtual_environment_is_isolated(installed: Installation) -> None:
    """Its own interpreter with -I: no user site, no variable, no current directory."""
    shutil.copy(installed.folder / "credward", installed.folder / "python3")
    (installed.folder.parent / "pyvenv.cfg").touch()
    result = installed.run("--timeout", "100", "x")

    assert result[0] == 0
    assert [start["arguments"] for start in installed.starts()] == [
        ["-I", "-m", "credward", "serve", "--detach"]
    ]


def test_an_interpreter_of_the_system_is_not_the_daemons(installed: Installation) -> None:
    """In /usr/bin a python3 stands beside, and knows nothing of us."""
    shutil.copy("/bin/false", installed.folder / "python3")

    assert installed.run("--timeout", "100", "x")[0] == 0


def test_a_helper_that_is_linked_finds_its_own_directory(
    installed: Installation, directory: Path
) -> None:
    """Tool installers put links into ~/.local/bin."""
    link = directory / "linked-helper"
    link.symlink_to(installed.command[-1])
    installed.command[-1] = str(link)

    assert installed.run("--timeout", "100", "x")[0] == 0


def test_the_lock_is_private(installed: Installation) -> None:
    """The state directory is made as the daemon would make it."""
    installed.run("--timeout", "100", "x")
    state = Path(installed.environment["HOME"]) / ".local/state/credward"

    assert (state.stat().st_mode & 0o777, (state / "start.lock").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_a_unit_without_a_service_manager_is_started_by_hand(installed: Installation) -> None:
    """Systemctl is there or not; without a session bus it fails, and the daemon is needed all the same."""
    unit = Path(installed.environment["HOME"]) / ".config/systemd/user/credward.socket"
    unit.parent.mkdir(parents=True)
    unit.touch()

    assert installed.run("--timeout", "100", "x") == (0, "started\n", "")
    assert len(installed.starts()) == 1


def test_a_unit_is_started_by_the_service_manager(installed: Installation) -> None:
    """Then the daemon is the manager's child, with its limits and its log."""
    private = (
        "unshare",
        "-m",
        "/bin/sh",
        "-c",
        'mount --bind "$0" /usr/bin/systemctl && exec "$@"',
    )
    manager = installed.folder / "systemctl"
    shutil.copy(installed.folder / "credward", manager)
    possible = subprocess.run([*private, str(manager), "true"], capture_output=True, check=False)
    if possible.returncode:
        pytest.skip("needs a systemctl to replace and the right to mount")
    unit = Path(installed.environment["HOME"]) / ".local/share/systemd/user/credward.socket"
    unit.parent.mkdir(parents=True)
    unit.touch()
    # The stand-in finds its plan beside the path that it was called by.
    plan = json.loads((installed.folder / "start.json").read_text())
    text = manager.read_text().replace(
        "Path(sys.argv[0]).resolve().parent", f"Path({str(installed.folder)!r})"
    )
    manager.write_text(text)
    result = installed.run("--timeout", "100", "x", before=(*private, str(manager)))

    assert plan["serve"]
    assert result == (0, "started\n", "")
    assert [start["arguments"] for start in installed.starts()] == [
        ["--user", "start", "credward.socket"]
    ]


RESTRICTIONS: dict[str, tuple[str, ...]] = {
    "no new privileges": ("setpriv", "--no-new-privs"),
    "user namespace": ("unshare", "-U", "-r"),
    "session": ("env", "CREDWARD_SESSION=s1"),
}


@pytest.mark.parametrize("name", RESTRICTIONS)
def test_a_restricted_place_starts_nothing(installed: Installation, name: str) -> None:
    """A daemon of a sandbox would serve everybody from inside of it."""
    before = RESTRICTIONS[name]
    if shutil.which(before[0]) is None or subprocess.run([*before, "true"]).returncode:
        pytest.skip(f"needs {before[0]}")
    code, out, err = installed.run("x", before=before)

    assert (code, out) == (69, "")
    assert err == (
        "credward: the daemon is not running and must not be started from inside a sandbox: "
        "run credward serve --detach outside of it\n"
    )
    assert installed.starts() == []


@pytest.mark.parametrize(
    "forbid",
    [
        lambda environment: environment.update(CREDWARD_NO_START="1"),
        lambda environment: environment.update(CREDWARD_URL="http://127.0.0.1:1"),
        lambda environment: environment.update(CREDWARD_SOCKET="/nowhere/credward.sock"),
        lambda environment: environment.update(XDG_CONFIG_HOME="/nowhere"),
    ],
    ids=["switched off", "another door", "another socket", "no configuration"],
)
def test_a_daemon_that_is_not_wanted_is_not_started(
    installed: Installation, forbid: Callable[[dict[str, str]], None]
) -> None:
    """The words for each are in the transcripts."""
    forbid(installed.environment)
    code, out, err = installed.run("x")

    assert (code, out) == (69, "")
    assert "run credward serve --detach" in err or "start that one" in err or "configured" in err
    assert installed.starts() == []
