"""T19: the real keyring daemon of GNOME behind a real bus, asked by a real worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from credward.store.kek import decode_key

BROKER = Path(__file__).parents[2] / "broker"
ASKER = Path(__file__).parents[1] / "fakes" / "keychain_asker.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
        reason="needs gnome-keyring and dbus",
    ),
]
pytest.importorskip("secretstorage")

# Answers nothing from here on, as a keychain does that waits for a human. The bus knows its pid.
_STOP = """
until found=$(dbus-send --print-reply=literal --dest=org.freedesktop.DBus / \
  org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets)
do sleep 0.05; done
kill -STOP "${found##* }"; "$@"; kill -KILL "${found##* }"
"""


@dataclass(frozen=True, slots=True)
class Desktop:
    """A user's home, and sessions in it one after the other."""

    home: Path

    def ask(
        self,
        *,
        password: str | None = "opensesame",
        create: bool = False,
        deadline: float = 20,
        stopped: bool = False,
        account: str = "store-key",
    ) -> dict[str, object]:
        """Log in with *password* (None: nobody does) and ask for the item once."""
        login = "gnome-keyring-daemon --unlock --components=secrets >/dev/null"
        script = f"printf %s {password} | {login}\n" if password is not None else ""
        script += _STOP if stopped else '"$@"'
        command = ["dbus-run-session", "--", "bash", "-c", script, "_"]
        return self._run([*command, *self._asker(create, deadline, account)])

    def ask_without_bus(self, **environ: str) -> dict[str, object]:
        """Ask where no session is."""
        return self._run(self._asker(True, 20, "store-key"), **environ)

    def items(self) -> bytes:
        """Return all files that keychains keep in this home."""
        return b"".join(each.read_bytes() for each in self.home.rglob("*") if each.is_file())

    def _asker(self, create: bool, deadline: float, account: str) -> list[str]:
        how = "create" if create else "read"
        program = [sys.executable, str(ASKER), str(BROKER)]
        return [*program, "credward-test", account, how, str(deadline)]

    def _run(self, command: list[str], **environ: str) -> dict[str, object]:
        process = subprocess.Popen(
            command,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "XDG_RUNTIME_DIR": str(self.home / "run"),
                "LANG": "C.UTF-8",
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=60)
        finally:
            # The session's helpers stay in its process group; a daemon ends with its bus.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        answer = json.loads(output)
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def desktop(tmp_path):
    """Return a desktop whose user has never logged in."""
    (tmp_path / "run").mkdir(mode=0o700)
    return Desktop(tmp_path)


def test_t19_an_item_is_made_once_and_found_after_a_restart(desktop):
    """Sealed by the password; create or not, it is the same one ever after."""
    made = desktop.ask(create=True)
    assert made["kind"] == "api-key"
    assert decode_key(str(made["text"]).encode()) is not None

    assert desktop.ask()["text"] == made["text"]
    assert desktop.ask(create=True)["text"] == made["text"]
    assert str(made["text"]).encode() not in desktop.items()
    assert list(desktop.home.glob(".local/share/keyrings/login.keyring"))


def test_t19_an_item_that_is_not_there_is_not_made(desktop):
    """And is said to be absent."""
    desktop.ask(create=True)

    answer = desktop.ask(account="another")

    assert answer["failure"] == "fix-configuration"
    assert "is missing" in str(answer["message"])


@pytest.mark.parametrize("password", [None, "wrong"], ids=["nobody logged in", "wrong password"])
@pytest.mark.parametrize("create", [False, True])
def test_t19_a_locked_keychain_is_said_at_once(desktop, password, create):
    """With the command; no prompt is waited for, and nothing is made or replaced."""
    made = desktop.ask(create=True)

    answer = desktop.ask(password=password, create=create)

    assert answer["failure"] == "store-locked"
    assert "gnome-keyring-daemon --unlock" in str(answer["message"])
    assert float(str(answer["seconds"])) < 30
    assert desktop.ask()["text"] == made["text"]


def test_t19_a_keychain_that_does_not_answer_ends_at_the_deadline(desktop):
    """Whatever it is busy with, the asker is not held up longer than it said."""
    answer = desktop.ask(create=True, stopped=True, deadline=2)

    assert answer["failure"] == "timed-out"
    assert float(str(answer["seconds"])) < 30


@pytest.mark.parametrize(
    "environ", [{}, {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}], ids=["none", "dead"]
)
def test_t19_without_a_bus_nothing_is_kept_in_the_clear(desktop, environ):
    """With keyrings.alt installed, `keyring` would fall back to a plain file: refused by class."""
    answer = desktop.ask_without_bus(**environ)

    assert answer["failure"] == "fix-configuration"
    assert "store.key_file" in str(answer["message"])
    assert desktop.items() == b""


def test_t19_the_plain_text_keyring_is_refused_by_name(desktop):
    """Where it is installed it is what the user has to know about."""
    pytest.importorskip("keyrings.alt")

    assert "PlaintextKeyring" in str(desktop.ask_without_bus()["message"])


def test_t19_a_forced_null_keyring_is_refused(desktop):
    """keyringrc.cfg can force any class: one that keeps nothing is no keychain."""
    config = desktop.home / ".config" / "python_keyring" / "keyringrc.cfg"
    config.parent.mkdir(parents=True)
    config.write_text("[backend]\ndefault-keyring=keyring.backends.null.Keyring\n")

    answer = desktop.ask(create=True)

    assert answer["failure"] == "fix-configuration"
    assert "keyring.backends.null.Keyring" in str(answer["message"])
