"""Whose socket the helper trusts, and the command line. Needs root to make files of other users."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from credward.cli.setup.taken_out import TakenOut
from fakes.daemon import CannedDaemon, answer
from transcripts.programs import ROOT, program, variants

TOKEN = answer(200, b"abc\n")
STRANGER = 12345

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")


@pytest.fixture(params=variants("musl", "clang-sanitized", "twin", "credward get"))
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


# As sandboxes do it: the own user alone, as root, and nobody at all.
NAMESPACES = [("--map-current-user",), ("-r",), ()]


def namespace(*options: str) -> list[str]:
    """The words that run a program in a user namespace of its own."""
    words = ["unshare", "-U", *options]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"]).returncode:
        pytest.skip("no user namespaces here")
    return words


@pytest.mark.parametrize("options", NAMESPACES)
def test_s6_the_overflow_uid_is_nobodys_name(helper, environment, socket_path, options) -> None:
    """Another user's directory shows as the overflow uid: it is refused, as it is outside."""
    before = namespace(*options)
    with CannedDaemon(socket_path, [TOKEN]) as daemon:
        give_away(socket_path)
        done = run(helper, environment, *before)

    assert daemon.asked == []
    assert done.returncode == 78
    assert b"belongs to another user, so it is not trusted" in done.stderr


def test_s6_the_overflow_uid_is_nobodys_name_without_proc(helper, environment, socket_path) -> None:
    """Where nobody can say whether users are mapped, they may be."""
    if "sanitized" in helper[0]:
        pytest.skip("what clang links in to check memory needs /proc")
    before = [
        *("unshare", "-Urm", "/bin/sh", "-e", "-c"),
        'mount -t tmpfs none /proc; exec unshare -U "$0" "$@"',
    ]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    with CannedDaemon(socket_path, [TOKEN]) as daemon:
        give_away(socket_path)
        done = run(helper, environment, *before)

    assert daemon.asked == []
    assert (done.returncode, done.stdout) == (78, b"")


@pytest.mark.parametrize("options", NAMESPACES[:2])
def test_s6_the_own_daemon_serves_a_sandbox(helper, environment, socket_path, options) -> None:
    """Where the own user is mapped, its directory and its daemon are known."""
    before = namespace(*options)
    with CannedDaemon(socket_path, [TOKEN]):
        done = run(helper, environment, *before)

    assert (done.stdout, done.stderr) == (b"abc\n", b"")


@pytest.mark.parametrize("options", NAMESPACES)
def test_s6_a_sandbox_may_name_a_socket(helper, environment, socket_path, options) -> None:
    """CREDWARD_SOCKET is the word of the user: a token is asked for there."""
    before = namespace(*options)
    environment["CREDWARD_SOCKET"] = str(socket_path)
    with CannedDaemon(socket_path, [TOKEN]):
        give_away(socket_path)
        done = run(helper, environment, *before)

    assert (done.stdout, done.stderr) == (b"abc\n", b"")


def test_s6_the_machines_daemon_serves_a_sandbox(helper, environment, socket_path) -> None:
    """/run/credward is put there by root, which such a namespace does not show."""
    before = namespace("--map-current-user")
    del environment["XDG_RUNTIME_DIR"]
    mounted = [
        *("unshare", "-m", "/bin/sh", "-e", "-c"),
        (
            "mount -t tmpfs none /run; mkdir -m 0755 /run/credward; "
            'mount --bind "$0" /run/credward; chown 7:7 /run; exec "$@"'
        ),
        str(socket_path.parent),
    ]
    with CannedDaemon(socket_path, [TOKEN]):
        give_away(socket_path)
        if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
            pytest.skip("may not mount here")
        outside = run(helper, environment, *mounted)
        done = run(helper, environment, *mounted, *before)

    assert outside.returncode == 78
    assert (done.stdout, done.stderr) == (b"abc\n", b"")


@contextmanager
def daemon_of_another_user(socket_path: Path):
    """A stranger listens; the directory is ours by then."""
    server = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(ROOT / "tests")!r})
        from pathlib import Path
        from fakes.daemon import CannedDaemon, answer
        os.seteuid({STRANGER})
        with CannedDaemon(Path(sys.argv[1]), [answer(200, b"abc\\n")]) as daemon:
            print("listening", flush=True)
            sys.stdin.read()
            os.seteuid(0)
            print(len(daemon.asked))
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
    socket_path.chmod(0o777)
    socket_path.parent.chmod(0o755)
    try:
        yield
    finally:
        asked, _ = process.communicate(b"", timeout=30)
    assert asked == b"0\n"


@pytest.mark.parametrize("sandboxed", [False, True])
def test_p1_refuses_a_daemon_of_another_user(
    helper, environment, socket_path, sandboxed: bool
) -> None:
    """Names can be raced: the kernel says who listens."""
    before = namespace("--map-current-user") if sandboxed else []
    with daemon_of_another_user(socket_path):
        done = run(helper, environment, *before)

    assert done.returncode == 78
    assert b"is served by another user, so it is not trusted" in done.stderr


def test_s6_a_secret_goes_to_a_known_user_only(environment, socket_path) -> None:
    """Also where the user named the socket: in a sandbox that could be anybody's daemon."""
    environment["CREDWARD_SOCKET"] = str(socket_path)
    with daemon_of_another_user(socket_path):
        done = confide(environment, *namespace("--map-current-user"))

    assert done.returncode == 78
    assert done.stderr.decode() == (
        f'credward: "{socket_path}" is served by a user that this sandbox does not show, '
        "so no secret goes to it or comes from it: run this outside of the sandbox\n"
    )


def test_s6_a_secret_comes_from_a_known_user_only(environment, socket_path, tmp_path) -> None:
    """What a daemon gives back goes into a file that a shell runs."""
    rc = tmp_path / ".bashrc"
    rc.write_text("# OPENAI_API_KEY=…\n")
    taken = TakenOut.of(rc, 1, "OPENAI_API_KEY=sk-0000000", "sk-0000000", "# OPENAI_API_KEY=…")
    state = tmp_path / "state/credward"
    state.mkdir(parents=True)
    (state / "taken-out.json").write_bytes(msgspec.json.encode({"k": taken}))
    environment |= {"CREDWARD_SOCKET": str(socket_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    with daemon_of_another_user(socket_path):
        done = confide(
            environment,
            *namespace("--map-current-user"),
            words=("secret", "rm", "k", "--put-back", "--although-changed"),
        )

    assert done.returncode == 78
    assert done.stderr.decode().endswith(
        "so no secret goes to it or comes from it: run this outside of the sandbox\n"
    )
    assert rc.read_text() == "# OPENAI_API_KEY=…\n"


def test_a_socket_of_another_group_is_named(helper, environment, directory) -> None:
    """A machine's daemon that this user may not ask: the line says what to ask for."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    if len(helper) > 1:
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
        done = run([visible], environment, "setpriv", *identity)

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


def confide(
    environment: dict[str, str], *before: str, words: Sequence[str] = ("secret", "set", "key")
):
    """Store a secret, as a person does; or what the *words* say."""
    return subprocess.run(
        [*before, sys.executable, "-m", "credward", *words],
        env=environment,
        input=b"canary-of-s6",
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("sandboxed", [False, True])
def test_s6_a_secret_is_not_given_to_another_users_daemon(
    environment, socket_path, sandboxed: bool
) -> None:
    """XDG_RUNTIME_DIR may be anybody's: what is typed must not reach whoever listens there."""
    before = namespace("--map-current-user") if sandboxed else []
    with CannedDaemon(socket_path, [TOKEN]) as daemon:
        give_away(socket_path)
        done = confide(environment, *before)

    assert daemon.asked == []
    assert done.returncode == 78
    assert done.stderr.decode() == (
        f'credward: "{socket_path.parent}" belongs to another user, so it is not trusted: '
        "run credward doctor\n"
    )
