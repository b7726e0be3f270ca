"""What is shipped beside the program: units that a service manager accepts, images that keep their promises."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"

# For a user's service manager each of these means a user namespace, or hides /proc from the daemon.
BLINDING = re.compile(
    r"(Private(Users|Tmp|Devices|Network|IPC|Mounts|PIDs)|Protect\w+|Read(Only|Write)Paths|Inaccessible"
    r"Paths|Root(Directory|Image)|Bind(ReadOnly)?Paths|TemporaryFileSystem|DynamicUser|ProcSubset|"
    r"Restrict\w+|SystemCall\w+|NoNewPrivileges|MemoryDenyWriteExecute|LockPersonality)"
)


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(PACKAGING / "systemd" / name)
    return parser


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """O1: `systemd-analyze verify` finds nothing, with a program that exists."""
    for name in ("credward.service", "credward.socket"):
        text = (PACKAGING / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("%h/.local/bin/credward", "/bin/true"))
        (tmp_path / name).chmod(0o644)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "./credward.service", "./credward.socket"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_the_service_leaves_workers_alone() -> None:
    """A worker in a rotating exchange outlives the daemon, and one that is killed does not end it."""
    service = unit("credward.service")["Service"]

    assert service["KillMode"] == "process"
    assert service["OOMPolicy"] == "continue"
    assert service["Type"] == "notify"


def test_s1_a_unit_goes_by_what_was_recorded() -> None:
    """Or it would run a daemon of another configuration and store than the starter's own."""
    service = unit("credward.service")["Service"]

    assert service["ExecStart"] == "%h/.local/bin/credward serve --recorded"
    assert "EnvironmentFile" not in service


def test_the_service_can_see_its_callers() -> None:
    """No option makes a user namespace or hides /proc: attestation would be degraded."""
    assert [name for name in unit("credward.service")["Service"] if BLINDING.fullmatch(name)] == []


def test_the_socket_unit_names_and_locks_its_socket() -> None:
    """The daemon finds it by name; nobody else may connect."""
    socket = unit("credward.socket")["Socket"]

    assert socket["FileDescriptorName"] == "credward"
    assert (socket["DirectoryMode"], socket["SocketMode"]) == ("0700", "0600")


def test_launchd_can_read_the_agent() -> None:
    """The property list is one, and leaves workers alone as well."""
    agent = plistlib.loads((PACKAGING / "launchd/dev.credward.plist").read_bytes())

    assert agent["Label"] == "dev.credward"
    assert agent["ProgramArguments"][:3] == ["@CREDWARD@", "serve", "--recorded"]
    assert agent["AbandonProcessGroup"] is True


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.helper"])
def test_images_run_without_root(name: str) -> None:
    """O1: both images run as uid 65532, and their bases are named plainly."""
    lines = (PACKAGING / "container" / name).read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]

    assert users[-1].startswith("65532")
    assert all("/" not in base for base in bases)


def test_the_daemon_image_has_byte_code() -> None:
    """In a read-only root none could be made later."""
    text = (PACKAGING / "container/Dockerfile").read_text()

    assert "compileall" in text
    assert text.index("compileall") < text.index("PYTHONDONTWRITEBYTECODE")
