"""S-2: which files of a folder are handed over, alike by every helper and by `credward get`."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from credward.cli.surroundings import folder_body
from credward.folder import FOLDER_HEADER, MEDIA_TYPE, decode
from fakes.daemon import CannedDaemon, answer
from fakes.fuse_server import SilentFileSystem, cannot_mount
from marks import slow

# The command line has one thread when it looks; who runs tests may have more (from Python 3.12 on).
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

TOKEN = answer(body=b"token-1\n")
JUDGED = answer(body=b"token-1\n", headers=[(FOLDER_HEADER, "judged")])
# The longest body (bytes): what does not fit is said to be too large.
LIMIT = 60 * 1024
SETTINGS, LOCAL = ".claude/settings.json", ".claude/settings.local.json"


def put(folder: Path, *names: str, content: str | bytes = "{}") -> Path:
    """Put these files, and the folders that they need, into *folder*."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com", *words],
        check=True,
        capture_output=True,
    )


def nothing(root: Path) -> Path:
    return put(root, "a/.claude/other.json", "a/.claude/settings.json.bak") / "a"


def both(root: Path) -> Path:
    return put(root, f"a/{SETTINGS}", f"a/{LOCAL}", "a/.git/HEAD") / "a"


def above(root: Path) -> Path:
    put(root, SETTINGS, f"a/{SETTINGS}", "a/.git/HEAD", f"a/b/{LOCAL}", "a/b/c/d/x")
    return root / "a/b/c/d"


def git_in_between(root: Path) -> Path:
    put(root, f"a/{SETTINGS}", "a/.git/HEAD", "a/b/.git/HEAD", "a/b/c/x")
    return root / "a/b/c"


def git_that_is_none(root: Path) -> Path:
    put(root, f"a/{SETTINGS}", "a/.git/HEAD", "a/b/c/x")
    os.mkfifo(root / "a/b/.git")
    (root / "a/b/c/.git").symlink_to("nowhere")
    return root / "a/b/c"


def linked_file(root: Path) -> Path:
    put(root, "elsewhere.json", "a/.git/HEAD", "a/.claude/x", content='{"env": {}}')
    (root / "a" / SETTINGS).symlink_to("../../elsewhere.json")
    (root / "a" / LOCAL).symlink_to("nowhere")
    return root / "a"


def linked_folder(root: Path) -> Path:
    put(root, "x/settings.json", "a/.git/HEAD")
    (root / "a/.claude").symlink_to(root / "x")
    return root / "a"


def no_files(root: Path) -> Path:
    put(root, "a/.git/HEAD", f"a/{LOCAL}/x")
    os.mkfifo(root / "a" / SETTINGS)
    return root / "a"


def a_loop(root: Path) -> Path:
    put(root, "a/.git/HEAD", "a/.claude/x")
    (root / "a" / SETTINGS).symlink_to("settings.json")
    return root / "a"


def a_socket(root: Path) -> Path:
    put(root, "a/.git/HEAD", "a/.claude/x")
    before = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(root / "a/.claude")
        try:
            listener.bind("settings.json")
        finally:
            os.chdir(before)
    return root / "a"


def not_a_folder(root: Path) -> Path:
    return put(root, "a/.claude", "a/.git/HEAD") / "a"


def worktree(root: Path) -> Path:
    put(root, f"main/{LOCAL}", "main/x")
    git(root / "main", "init", "-q")
    git(root / "main", "commit", "-q", "--allow-empty", "-m", "x")
    git(root / "main", "worktree", "add", "-q", str(root / "far/tree"))
    return put(root / "far/tree", SETTINGS, "b/x") / "b"


def worktree_by_relative_paths(root: Path) -> Path:
    put(root, f"main/{LOCAL}")
    put(root, "main/.git/worktrees/t/commondir", content="../..\n")
    put(root, "tree/.git", content="gitdir: ../main/.git/worktrees/t\n")
    return root / "tree"


def bare_worktree(root: Path) -> Path:
    put(root, f"bare.git/{LOCAL}", "bare.git/HEAD")
    put(root, "bare.git/worktrees/t/commondir", content=" ../.. \r\n")
    put(root, "tree/.git", content=f"gitdir:{root}/bare.git/worktrees/t")
    return root / "tree"


def worktree_of_another_tool(root: Path) -> Path:
    """As libgit2 writes it."""
    put(root, f"main/{LOCAL}")
    put(root, "main/.git/worktrees/t/commondir", content=f"{root}/main/.git/\n")
    return put(root, "tree/.git", content=f"gitdir: {root}/main/.git/worktrees/t/\n") / "tree"


def submodule(root: Path) -> Path:
    put(root, f"{SETTINGS}", ".git/modules/sub/HEAD")
    put(root, "sub/.git", content="gitdir: ../.git/modules/sub\n")
    return root / "sub"


def strange_git_files(root: Path) -> Path:
    put(root, SETTINGS, ".git/HEAD", "a/b/x")
    put(root, "a/b/.git", content=b"gitdir: \xff/\0/x" + b"y" * 9000)
    return put(root, f"a/b/{LOCAL}") / "a/b"


def git_written_oddly(
    git_file: bytes = b"gitdir: ../main/.git/worktrees/t\n", common: bytes = b"../..\n"
) -> Callable[[Path], Path]:
    """Return who makes a linked working tree whose files are not as git writes them."""

    def make(root: Path) -> Path:
        put(root, f"main/{LOCAL}")
        put(root, "main/.git/worktrees/t/commondir", content=common)
        return put(root, "a/.git", content=git_file) / "a"

    return make


def tree_of_main(root: Path) -> Path:
    """Make the working tree `tree` that says it is one of `main`."""
    return put(root, "tree/.git", content=f"gitdir: {root}/main/.git/worktrees/t\n") / "tree"


def linked_git_folder(root: Path) -> Path:
    """By the words it is of `main`, as Claude Code has it, by the links of `far`: not understood."""
    put(root, f"main/{LOCAL}", f"far/{SETTINGS}", "far/.git/worktrees/t/x")
    put(root, "far/.git/worktrees/t/commondir", content="../..\n")
    (root / "main/.git").symlink_to("../far/.git")
    return tree_of_main(root)


def linked_worktrees(root: Path) -> Path:
    put(root, f"main/{LOCAL}", "main/.git/HEAD", f"far/{SETTINGS}")
    put(root, "far/worktrees/t/commondir", content="../..\n")
    (root / "main/.git/worktrees").symlink_to("../../far/worktrees")
    return tree_of_main(root)


def linked_worktree(root: Path) -> Path:
    put(root, f"main/{LOCAL}", "main/.git/worktrees/x", f"far/b/{SETTINGS}")
    put(root, "far/b/c/t/commondir", content="../..\n")
    (root / "main/.git/worktrees/t").symlink_to("../../../far/b/c/t")
    return tree_of_main(root)


def main_tree_that_is_gone(root: Path) -> Path:
    """As where only the working tree is in a container."""
    return put(root, "a/.git", content="gitdir: /nowhere/.git/worktrees/t\n") / "a"


def a_git_that_loops(root: Path) -> Path:
    put(root, ".git/HEAD", SETTINGS, "a/x")
    (root / "a/.git").symlink_to(".git")
    return root / "a"


def worktree_of_other_letters(root: Path) -> Path:
    put(root, f"h\u00e4user \u4fee/{LOCAL}", "h\u00e4user \u4fee/x")
    git(root / "h\u00e4user \u4fee", "init", "-q")
    git(root / "h\u00e4user \u4fee", "commit", "-q", "--allow-empty", "-m", "x")
    git(root / "h\u00e4user \u4fee", "worktree", "add", "-q", str(root / "b/\u4fee\u6b63"))
    return root / "b/\u4fee\u6b63"


def linked_git(root: Path) -> Path:
    """Whether Claude Code takes the link for one depends on its words: so the look goes on up."""
    put(root, SETTINGS, ".git/HEAD", f"a/{LOCAL}", "elsewhere/HEAD", f"a/b/{SETTINGS}")
    (root / "a/.git").symlink_to(f"/{root}/elsewhere")
    (root / "a/b/.git").symlink_to("../../elsewhere")
    return root / "a/b"


def linked_git_file(root: Path) -> Path:
    put(root, f"main/{LOCAL}", SETTINGS, ".git/HEAD")
    put(root, "main/.git/worktrees/t/commondir", content="../..\n")
    put(root, "link", content=f"gitdir: {root}/main/.git/worktrees/t\n")
    put(root, "tree/x")
    (root / "tree/.git").symlink_to("../link")
    return root / "tree"


def strange_names(root: Path) -> Path:
    return put(root, f"a b%\n\u00e9/{SETTINGS}", "a b%\n\u00e9/.git/HEAD") / "a b%\n\u00e9"


def deep(root: Path) -> Path:
    """The settings lie 31 folders above, and others 32."""
    folder = put(root, SETTINGS)
    put(folder / "0", SETTINGS)
    return below(folder, 32)


def nearly_deep(root: Path) -> Path:
    """The top of the repository is the last folder that is looked at."""
    return below(put(root, f"a/{SETTINGS}", "a/b/.git/HEAD") / "a/b", 31)


def below(folder: Path, count: int) -> Path:
    for number in range(count):
        folder /= str(number)
    folder.mkdir(parents=True)
    return folder


def as_large_as_may_be(root: Path) -> Path:
    put(root, "a/.git/HEAD")
    path = root / "a" / SETTINGS
    head = len(b"file 61000 \n\n") + 3 * str(path).count("/") - str(path).count("/")
    put(root / "a", SETTINGS, content=b"x" * (LIMIT - head - len(str(path))))
    return root / "a"


def too_large(root: Path) -> Path:
    put(root, "a/.git/HEAD")
    return put(root / "a", SETTINGS, LOCAL, content=b"x" * (LIMIT // 2)) / "."


def much_too_large(root: Path) -> Path:
    put(root, "a/.git/HEAD")
    return put(root / "a", SETTINGS, content=b"x" * 1_000_000)


FOLDERS: dict[str, tuple[Callable[[Path], Path], list[tuple[str, str]]]] = {
    each.__name__.replace("_", " "): (each, wanted)
    for each, wanted in (
        (nothing, []),
        (both, [("file", f"a/{SETTINGS}"), ("file", f"a/{LOCAL}")]),
        (above, [("file", f"a/b/{LOCAL}"), ("file", f"a/{SETTINGS}")]),
        (git_in_between, []),
        (git_that_is_none, [("file", f"a/{SETTINGS}")]),
        (linked_file, [("file", f"a/{SETTINGS}")]),
        (linked_folder, [("file", f"a/{SETTINGS}")]),
        (no_files, [("unreadable", f"a/{SETTINGS}"), ("unreadable", f"a/{LOCAL}")]),
        (a_loop, [("unreadable", f"a/{SETTINGS}")]),
        (a_socket, [("unreadable", f"a/{SETTINGS}")]),
        (not_a_folder, []),
        (worktree, [("file", f"far/tree/{SETTINGS}"), ("file", f"main/{LOCAL}")]),
        (worktree_by_relative_paths, [("file", f"main/{LOCAL}")]),
        (bare_worktree, [("file", f"bare.git/{LOCAL}")]),
        (submodule, []),
        (strange_git_files, [("file", f"a/b/{LOCAL}"), ("unreadable", "a/b/.git")]),
        (linked_git_folder, [("unreadable", "tree/.git")]),
        (linked_worktrees, [("unreadable", "tree/.git")]),
        (linked_worktree, [("unreadable", "tree/.git")]),
        (worktree_of_another_tool, [("file", f"main/{LOCAL}")]),
        (main_tree_that_is_gone, []),
        (a_git_that_loops, [("unreadable", "a/.git"), ("file", SETTINGS)]),
        (worktree_of_other_letters, [("file", f"h\u00e4user \u4fee/{LOCAL}")]),
        (linked_git, [("file", f"a/b/{SETTINGS}"), ("file", f"a/{LOCAL}"), ("file", SETTINGS)]),
        (linked_git_file, [("file", f"main/{LOCAL}"), ("file", SETTINGS)]),
        (strange_names, [("file", f"a b%\n\u00e9/{SETTINGS}")]),
        (deep, [("file", f"0/{SETTINGS}"), ("too-large", ".git")]),
        (nearly_deep, []),
        (as_large_as_may_be, [("file", f"a/{SETTINGS}")]),
        (too_large, [("too-large", f"a/{LOCAL}")]),
        (much_too_large, [("too-large", f"a/{SETTINGS}")]),
    )
}


# Each leads Claude Code to the settings of `main`, or another program, or might.
ODD_GIT_FILES: dict[str, Callable[[Path], Path]] = {
    repr((given, common))[:60]: git_written_oddly(given, common)
    for path in (b"../main/.git/worktrees/t",)
    for given, common in (
        *(
            (given, b"../..\n")
            for given in (
                b"\ngitdir: " + path,
                b" gitdir: " + path,
                b"\xef\xbb\xbfgitdir: " + path,
                b"gitdir:\n" + path,
                b"gitdir:\t" + path,
                b"gitdir:" + b" " * 5000 + path,
                b"gitdir:\xc2\xa0" + path,
                b"gitdir: " + path + b"\xe3\x80\x80\n",
                b"gitdir: " + path + b"\x0b\n",
                b"gitdir: " + path + b"\0",
                b"gitdir: " + path + b"\nmore",
                b"gitdir: missing/../" + path,
                b"gitdir: ./" + path,
                b"gitdir: ../" + b"/main/.git/worktrees/t",
                b"gitdir: " + path + b"//",
                b"gitdir: \xff/" + path,
                b"gitdir: " + path[:-1] + b"\xed\xa0\x80",
                b"gitdir: /../" + path,
                b"gitdir:",
                b"",
                b"nonsense",
                b"GITDIR: " + path,
            )
        ),
        *(
            (b"gitdir: " + path + b"\n", common)
            for common in (
                b"\n../..\n",
                b"\x0b../..\x0c\n",
                b"\xe2\x80\xa8../..",
                b"missing/../../..",
                b"../../nowhere",
                b"",
                b"../.." + b" " * 5000,
                b"../..\0",
            )
        ),
    )
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder whose own ancestors have no settings that would be found, as a `.git` says."""
    folder = tmp_path.resolve() / "root"
    put(folder.parent, ".git/HEAD")
    folder.mkdir()
    return folder


def ask(
    helper: list[str],
    environment: Mapping[str, str],
    folder: Path,
    *arguments: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*helper, "--base-url", "https://a.example", *arguments, "demo"],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def body_from(folder: Path) -> bytes:
    """Return what `credward get` hands over in *folder*."""
    with contextlib.chdir(folder):
        return folder_body(30)


def found_in(body: bytes, root: Path) -> list[tuple[str, str]]:
    return [
        (each.kind, str(Path(os.fsdecode(each.name)).relative_to(root)))
        for each in decode(body)
        if each.kind != "variable"
    ]


@pytest.mark.parametrize(("make", "wanted"), FOLDERS.values(), ids=FOLDERS)
def test_s2_what_is_handed_over(
    helper: list[str],
    environment: dict[str, str],
    socket_path: Path,
    root: Path,
    make: Callable[[Path], Path],
    wanted: list[tuple[str, str]],
) -> None:
    """The files that the agent may read, raw, as a POST; where there are none, the GET of ever."""
    folder = make(root)
    with CannedDaemon(socket_path, [JUDGED if wanted else TOKEN]) as daemon:
        done = ask(helper, environment, folder)
    ((asked,), (body,)) = daemon.asked, daemon.bodies

    assert (done.returncode, done.stdout) == (0, "token-1\n"), done.stderr
    assert found_in(body, root) == wanted
    assert body == body_from(folder)
    assert asked.startswith("POST " if wanted else "GET ")
    assert (f"\r\nContent-Type: {MEDIA_TYPE}\r\n" in asked) == bool(wanted)
    for each in decode(body):
        if each.kind == "file":
            assert each.content == Path(os.fsdecode(each.name)).read_bytes()


@pytest.mark.parametrize("make", ODD_GIT_FILES.values(), ids=ODD_GIT_FILES)
def test_s2_a_git_file_that_git_would_write_otherwise(
    helper: list[str],
    environment: dict[str, str],
    socket_path: Path,
    root: Path,
    make: Callable[[Path], Path],
) -> None:
    """Is said to be unreadable: Claude Code may follow it where nobody else does."""
    folder = make(root)
    with CannedDaemon(socket_path, [JUDGED]) as daemon:
        done = ask(helper, environment, folder)

    assert (done.returncode, done.stdout) == (0, "token-1\n"), done.stderr
    assert found_in(daemon.bodies[0], root) == [("unreadable", "a/.git")]
    assert daemon.bodies[0] == body_from(folder)


@pytest.fixture
def without_powers() -> list[str]:
    """What runs a program that may look only where its user may, root too."""
    if os.geteuid() != 0:
        return []
    powers = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}"]
    if shutil.which("setpriv") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("root cannot be kept from looking everywhere here: needs setpriv and SETPCAP")
    return prefix


def test_s2_a_git_that_nobody_may_look_at(
    helper: list[str],
    environment: dict[str, str],
    socket_path: Path,
    root: Path,
    without_powers: list[str],
) -> None:
    """Is none to Claude Code, which reads the settings beside it and goes on up: so does the look."""
    folder = put(root, SETTINGS, ".git/HEAD", f"a/{SETTINGS}", "locked/x") / "a"
    (folder / ".git").symlink_to("../locked/inside")
    (root / "locked").chmod(0)
    try:
        with CannedDaemon(socket_path, [JUDGED]) as daemon:
            done = ask([*without_powers, *helper], environment, folder)
    finally:
        (root / "locked").chmod(0o700)

    assert (done.returncode, done.stdout) == (0, "token-1\n"), done.stderr
    assert found_in(daemon.bodies[0], root) == [("file", f"a/{SETTINGS}"), ("file", SETTINGS)]


def test_s2_a_main_tree_that_nobody_may_look_at(
    helper: list[str],
    environment: dict[str, str],
    socket_path: Path,
    root: Path,
    without_powers: list[str],
) -> None:
    """Is none: Claude Code cannot read its settings either. So it is where the tree is another user's."""
    put(root, f"locked/{LOCAL}")
    put(root, "locked/.git/worktrees/t/commondir", content="../..\n")
    folder = put(root, "a/.git", content="gitdir: ../locked/.git/worktrees/t\n") / "a"
    with CannedDaemon(socket_path, [JUDGED, TOKEN]) as daemon:
        before = ask([*without_powers, *helper], environment, folder)
        (root / "locked").chmod(0)
        try:
            done = ask([*without_powers, *helper], environment, folder)
        finally:
            (root / "locked").chmod(0o700)
    open_body, locked_body = daemon.bodies

    assert (before.returncode, done.returncode) == (0, 0), before.stderr + done.stderr
    assert found_in(open_body, root) == [("file", f"locked/{LOCAL}")]
    assert locked_body == b""


@pytest.mark.parametrize("status", [200, 404, 405, 415])
def test_s2_s11_a_daemon_of_before(
    helper: list[str], environment: dict[str, str], socket_path: Path, root: Path, status: int
) -> None:
    """One that looked at nothing has no token taken from it, whatever it answers; elsewhere it has."""
    older = answer(status, body=b"token-1\n" if status == 200 else b"no such verb\n")
    with CannedDaemon(socket_path, [older]):
        here = ask(helper, environment, both(root))
    with CannedDaemon(socket_path, [TOKEN]):
        elsewhere = ask(helper, environment, nothing(root / "b"))

    assert here.stdout == ""
    assert here.returncode in {64, 70, 78}
    assert here.stderr.count("\n") == 1
    if status == 200:
        assert here.returncode == 78
        assert "the daemon is older than this " in here.stderr
        assert "run credward daemon restart" in here.stderr
    assert (elsewhere.returncode, elsewhere.stdout) == (0, "token-1\n")


def test_s2_a_folder_that_is_gone(
    helper: list[str], environment: dict[str, str], socket_path: Path, root: Path
) -> None:
    """The agent may read what has its name by now: the daemon decides."""
    gone = root / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {' '.join(helper)} demo"
    with CannedDaemon(socket_path, [JUDGED]) as daemon:
        done = subprocess.run(
            ["/bin/sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60
        )

    assert (done.returncode, done.stdout) == (0, "token-1\n"), done.stderr
    assert daemon.bodies == [b"unreadable .\n"]


def test_s2_readiness_needs_no_folder(
    helper: list[str], environment: dict[str, str], socket_path: Path, root: Path
) -> None:
    """`--check ready` prints no token."""
    with CannedDaemon(socket_path, [answer(body=b'{"ready": true}')]) as daemon:
        done = ask(helper, environment, both(root), "--check", "ready")

    assert done.returncode == 0, done.stderr
    assert daemon.asked[0].startswith("GET ")


@contextlib.contextmanager
def dead_mount(folder: Path) -> Iterator[None]:
    """Mount a FUSE file system on *folder* to whose kernel nobody answers, not even hello."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no file system that hangs can be made here: /dev/fuse, {error.strerror}")
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    target = str(folder).encode()
    try:
        if libc.mount(b"dead", target, b"fuse", 0, options.encode()) != 0:
            pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.umount2(target, 2)  # MNT_DETACH
    finally:
        # Whoever still waits for it hears that it is gone.
        os.close(device)


@contextlib.contextmanager
def alarms(state: str) -> Iterator[None]:
    """Start programs with SIGALRM in this *state*: a harness may have it so."""
    ignored = signal.SIG_IGN if state == "ignored" else signal.SIG_DFL
    handler = signal.signal(signal.SIGALRM, ignored)
    mask = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGALRM} if state == "blocked" else set()
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGALRM, handler)


@pytest.mark.parametrize("state", [*slow("as by default", "ignored"), "blocked"])
def test_s2_s11_a_file_system_that_does_not_answer(
    helper: list[str], environment: dict[str, str], socket_path: Path, root: Path, state: str
) -> None:
    """Is given up in one line: the wait for it is a child's, whatever SIGALRM does to us."""
    folder = put(root, "a/.git/HEAD", "mount/x") / "a"
    (folder / ".claude").symlink_to(root / "mount/inside")
    with dead_mount(root / "mount"), CannedDaemon(socket_path, [TOKEN]) as daemon:
        with alarms(state):
            done = ask(helper, environment, folder)

    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr.count("\n") == 1
    assert "the file system of this folder did not answer in time" in done.stderr
    assert daemon.asked == []


@pytest.mark.skipif(cannot_mount() is not None, reason=str(cannot_mount()))
def test_s2_s11_a_file_system_that_falls_silent(
    helper: list[str], environment: dict[str, str], socket_path: Path, root: Path
) -> None:
    """Lets go of nobody, not even of who is killed: the helper is not who waits for it.

    Its output ends with it too, for a harness reads that to the end.
    """
    folder = put(root, "a/.git/HEAD", "a/.claude/x") / "a"
    with (
        SilentFileSystem(root / "mount", Path("/bin/true")) as silent,
        CannedDaemon(socket_path, [TOKEN]) as daemon,
    ):
        (folder / SETTINGS).symlink_to(silent.program)
        silent.be_silent()
        asking = subprocess.Popen(
            [*helper, "demo"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            stdout, stderr = asking.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            silent.end()
            asking.communicate()
            raise

    assert (asking.returncode, stdout) == (75, ""), stderr
    assert "the file system of this folder did not answer in time" in stderr
    assert daemon.asked == []


@pytest.mark.skipif(cannot_mount() is not None, reason=str(cannot_mount()))
def test_s2_s11_get_outlives_no_silent_file_system(root: Path) -> None:
    """`credward get` says so and ends: who waits for it, or reads it to the end, goes on."""
    folder = put(root, "a/.git/HEAD", "a/.claude/x") / "a"
    code = "from credward.cli.surroundings import folder_body; folder_body(4)"
    with SilentFileSystem(root / "mount", Path("/bin/true")) as silent:
        (folder / SETTINGS).symlink_to(silent.program)
        silent.be_silent()
        asking = subprocess.Popen(
            [sys.executable, "-c", code], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        try:
            _, stderr = asking.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            silent.end()
            asking.communicate()
            raise

    assert asking.returncode == 1
    assert "the file system of this folder did not answer in time" in stderr


@pytest.mark.parametrize("ignored", [signal.SIGCHLD, signal.SIGALRM, signal.SIGPIPE])
def test_s2_s11_get_finds_them_whatever_signals_are_ignored(
    root: Path, ignored: signal.Signals
) -> None:
    """Some harnesses ignore SIGCHLD: then nobody learns how the look ended, only what it told."""
    folder = put(root, f"a/{SETTINGS}", "a/.git/HEAD") / "a"
    code = (
        f"import signal; signal.signal({int(ignored)}, signal.SIG_IGN);"
        "from credward.cli.surroundings import folder_body; print(len(folder_body(30)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == (f"{len(body_from(folder))}\n", "")
    assert int(done.stdout) > 0
