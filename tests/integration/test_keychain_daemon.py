"""A whole daemon whose store opens by the real keyring daemon of GNOME; sessions come and go."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.daemon import permit_all
from integration.test_keychain import BROKER, pytestmark

__all__ = ["pytestmark"]

_SESSION = """
[ -z "$PASSWORD" ] || printf %s "$PASSWORD" | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
"$@" -m credward serve >"$LOG" 2>&1 & daemon=$!
until [ -S "$XDG_RUNTIME_DIR/credward/credward.sock" ] || ! kill -0 $daemon; do sleep 0.05; done
eval "$SCRIPT" 2>&1
kill $daemon; wait $daemon
"""


@dataclass(frozen=True, slots=True)
class Desktop:
    """One user's home and the sessions in it."""

    home: Path
    runtime: Path

    def session(self, script: str, password: str = "", *, bus: bool = True) -> str:
        """Log in with *password*, start the daemon, run *script* beside it; return what it printed."""
        command = ["bash", "-c", _SESSION, "_", sys.executable]
        done = subprocess.run(
            ["dbus-run-session", "--", *command] if bus else command,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "XDG_RUNTIME_DIR": str(self.runtime),
                "LANG": "C.UTF-8",
                "PYTHONPATH": str(BROKER),
                "PASSWORD": password,
                "SCRIPT": script.replace("credward ", f"{sys.executable} -m credward "),
                "LOG": str(self.home / "log"),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    @property
    def key_file(self) -> Path:
        return self.home / ".config/credward/store.key"


@pytest.fixture
def desktop(tmp_path, tmp_path_factory) -> Desktop:
    """Return a home with one credential that reads the store."""
    runtime = Path(tmp_path_factory.mktemp("r"))
    runtime.chmod(0o700)
    config = tmp_path / ".config/credward/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        permit_all(tmp_path, store="")
        + '[credentials.demo]\nprovider = "static"\nsecret = { store = "k" }\n'
    )
    return Desktop(tmp_path, runtime)


def test_t19_the_key_is_made_in_the_keychain_and_found_again(desktop):
    """One item, by itself where a session bus is; after a restart nobody is asked anything."""
    first = desktop.session(
        "printf value1 | credward secret set k; credward get demo; credward status --json",
        "right",
    )
    assert "value1" in first
    status = json.loads(first[first.index("{\n") :])
    assert status["store"] == 'keychain item "credward" of "store-key"'
    assert not desktop.key_file.exists()

    assert desktop.session("credward get demo", "right").strip() == "value1"


def test_t19_a_locked_keychain_is_one_line_at_once(desktop):
    """Nobody unlocked it, or by a wrong password; nothing is lost by that."""
    desktop.session("printf value1 | credward secret set k", "right")

    for password in ("", "wrong"):
        said = desktop.session("credward get demo; echo $?; credward status --json", password)
        line, code = said.splitlines()[:2]
        assert line.startswith('credward: "store" waits for the keychain, which is locked:')
        assert code == "75"
    assert desktop.session("credward get demo", "right").strip() == "value1"


def test_t19_without_a_bus_a_key_file_is_used_and_never_a_plain_file(desktop):
    """From the start; a store that the keychain seals stays shut instead of being made anew."""
    said = desktop.session(
        "printf value1 | credward secret set k; credward get demo", "", bus=False
    )
    assert said.splitlines()[-1] == "value1"
    assert desktop.key_file.stat().st_mode & 0o777 == 0o600


def test_t19_a_store_of_the_keychain_stays_shut_without_it(desktop):
    """It is neither opened by another key nor replaced."""
    desktop.session("printf value1 | credward secret set k", "right")

    said = desktop.session("credward get demo", "", bus=False)
    assert "keychain" in said
    assert not desktop.key_file.exists()
    assert desktop.session("credward get demo", "right").strip() == "value1"


def test_t12_an_item_that_another_program_rotates_is_read_again_and_never_written(desktop):
    """The next mint has what is there by then; what it read before is not put back, at no time."""
    pytest.importorskip("keyring")
    config = desktop.home / ".config/credward/config.toml"
    config.write_text(
        config.read_text() + '[credentials.item]\nprovider = "static"\n'
        'secret = { keychain = { service = "other-program", account = "token" } }\n'
    )
    keyring = f"{sys.executable} -m keyring"
    rotate = f'rotate() {{ printf %s "$1" | {keyring} set other-program token; }}'
    look = f"{keyring} get other-program token"

    said = desktop.session(
        f"{rotate}; rotate one; credward get item; rotate two; credward get --fresh item >/dev/null; "
        f"credward get item; {look}; rotate three; {look}; credward get --fresh item >/dev/null; "
        f"credward get item; {look}",
        "right",
    )
    assert said.split() == ["one", "two", "two", "three", "three", "three"]

    again = desktop.session(f"{rotate}; rotate four; credward get item; {look}", "right")
    assert again.split() == ["four", "four"]
