"""Whose socket the helper trusts, and the command line. Needs root to make files of other users."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fakes.daemon import CannedDaemon, answer
from transcripts.programs import ROOT, program

TOKEN = answer(200, b"abc\n")
STRANGER = 12345

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")


@pytest.fixture(params=["musl", "clang-sanitized", "twin", "credward get"])
def helper(request: pytest.FixtureRequest) -> list[str]:
    """The command of each program that asks: one set of rules holds for all."""
    command = program(request.param)
    if command is None:
        pytest.skip(f"no compiler for {request.param}")
    return command


def run(helper: list[str], environment: dict[str, str], *before: str):
    return subprocess.run(
        [*before, *helper, "x"], env=environment, capture_output=True, timeout=30, check=False
    )


def give_away(socket_path: Path) -> None:
    """Make the directory a stranger's, open to all that may enter it."""
    os.chown(socket_path.parent, STRANGER, STRANGER)
    socket_path.parent.chmod(0o755)
    socket_path.chmod(0o777)
    for above in list(socket_path.parents)[1:3]:
        above.chmod(0o755)


def test_s1_refuses_the_directory_of_another_user(helper, environment, socket_path) -> None:
    """Otherwise that user could serve a token of their choice."""
    with CannedDaemon(socket_path, [TOKEN]) as daemon:
        give_away(socket_path)
        done = run(helper, environment)

    assert daemon.asked == []
    assert done.returncode == 78
    assert b"belongs to another user, so it is not trusted" in done.stderr


def test_credward_socket_may_be_another_users(helper, environment, socket_path) -> None:
    """In a pod the sidecar's directory belongs to the sidecar's uid."""
    environment["CREDWARD_SOCKET"] = str(socket_path)
    with CannedDaemon(socket_path, [TOKEN]):
        give_away(socket_path)
        done = run(helper, environment)

    assert done.stdout == b"abc\n"


def test_skips_the_owner_inside_a_user_namespace(helper, environment, socket_path) -> None:
    """There another user's directory shows as the overflow uid, and so does our own daemon's."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-U", "-r", "true"]).returncode
    ):
        pytest.skip("no user namespaces here")
    with CannedDaemon(socket_path, [TOKEN]):
        give_away(socket_path)
        done = run(helper, environment, "unshare", "-U", "-r")

    assert (done.stdout, done.stderr) == (b"abc\n", b"")


def test_p1_refuses_a_daemon_of_another_user(helper, environment, socket_path) -> None:
    """Names can be raced: the kernel says who listens."""
    server = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(ROOT / "tests")!r})
        from pathlib import Path
        from fakes.daemon import CannedDaemon, answer
        os.seteuid({STRANGER})
        with CannedDaemon(Path(sys.argv[1]), [answer(200, b"abc\\n")]):
            print("listening", flush=True)
            sys.stdin.read()
    """)
    socket_path.parent.mkdir(mode=0o777)
    socket_path.parent.chmod(0o777)
    for above in list(socket_path.parents)[1:3]:
        above.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", server, str(socket_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    socket_path.parent.chmod(0o755)
    done = run(helper, environment)
    process.communicate(b"", timeout=30)

    assert done.returncode == 78
    assert b"is served by another user, so it is not trusted" in done.stderr


def test_a_socket_of_another_group_is_named(helper, environment, directory) -> None:
    """A machine's daemon that this user may not ask: the line says what to ask for."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    if "get" in helper:
        pytest.skip("another user may not run this interpreter: see test_a_locked_out_client")
    path = directory / "locked/credward.sock"
    environment["CREDWARD_SOCKET"] = str(path)
    with CannedDaemon(path, [TOKEN]):
        directory.chmod(0o755)
        path.parent.chmod(0o755)
        path.chmod(0o600)
        identity = ["--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups"]
        visible = shutil.copy(helper[-1], directory / "credward-helper")
        Path(visible).chmod(0o755)
        command = [visible] if len(helper) == 1 else ["/usr/bin/python3", "-I", "-S", visible]
        done = run(command, environment, "setpriv", *identity)

    assert done.returncode == 77
    assert done.stderr.decode() == (
        f'credward: "{path}" may not be opened by this user: ask for membership of its group\n'
    )


@pytest.mark.parametrize(("mode", "expected"), [("0700", 0), ("0755", 69)])
def test_the_login_directory_counts_only_if_it_is_private(
    helper, environment, socket_path, mode: str, expected: int
) -> None:
    """Without XDG_RUNTIME_DIR, /run/user/UID is looked at, where the login manager made it."""
    private = [
        *("unshare", "-m", "/bin/sh", "-e", "-c"),
        (
            "mount -t tmpfs none /run/user; mkdir -p -m 0700 /run/user/0/credward; "
            f'chmod {mode} /run/user/0; mount --bind "$0" /run/user/0/credward; exec "$@"'
        ),
        str(socket_path.parent),
    ]
    del environment["XDG_RUNTIME_DIR"]
    with CannedDaemon(socket_path, [TOKEN]):
        if subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
            pytest.skip("may not mount here")
        done = run(helper, environment, *private)

    assert done.returncode == expected


def test_s6_a_secret_is_not_given_to_another_users_daemon(environment, socket_path) -> None:
    """XDG_RUNTIME_DIR may be anybody's: what is typed must not reach whoever listens there."""
    with CannedDaemon(socket_path, [TOKEN]) as daemon:
        give_away(socket_path)
        done = subprocess.run(
            [sys.executable, "-m", "credward", "secret", "set", "key"],
            env=environment,
            input=b"canary-of-s6",
            capture_output=True,
            timeout=60,
            check=False,
        )

    assert daemon.asked == []
    assert done.returncode == 78
    assert done.stderr.decode() == (
        f'credward: "{socket_path.parent}" belongs to another user, so it is not trusted: '
        "run credward doctor\n"
    )
