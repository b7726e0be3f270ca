"""Who is asking, when somebody wants it not to be seen: relays, forged programs, dead file systems."""

from __future__ import annotations

import array
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.fuse_server import SilentFileSystem, cannot_mount
from fakes.ports import kept_port
from fakes.watching import listening_at
from integration.command_line import by_owner
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import CLIENTS, block
from integration.other_account import ASK, PYTHON, Account
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

DEMO = '[credentials.demo]\nprovider = "local"\n'
TOKEN = "/v1/credentials/demo/token"
# What a relay is refused, by the issue a token and all that names something.
EVERYTHING = [
    ("GET", TOKEN),
    ("POST", "/v1/credentials/demo/refresh"),
    ("GET", "/v1/credentials"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/secrets"),
]
# In the other modes whoever asks is another user than the daemon.
LISTED = """
@id("listed-may-use")
permit (principal is Caller, action in [Action::"Issue", Action::"Inspect"], resource is Credential)
when { principal.is_listed };
"""
needs_fuse = pytest.mark.skipif(cannot_mount() is not None, reason=str(cannot_mount()))


@pytest.fixture(params=["user", "system", "sidecar"])
def served(account: Account, request: pytest.FixtureRequest) -> Iterator[RunningDaemon]:
    """Give a daemon in each mode that serves the account; in user mode it is the account's own."""
    mode: str = request.param
    if mode == "user":
        with account.daemon(DEMO) as daemon:
            yield daemon
        return
    rules = account.folder / "policy"
    rules.mkdir()
    (rules / "listed.cedar").write_text(LISTED)
    config = (
        f'[listen]\nmode = "{mode}"\nallow_uids = [{account.uid}]\n'
        f'[policy]\ndirectory = "{rules}"\n' + DEMO
    )
    with account.daemon(config, uid=account.uid + 10) as daemon:
        yield daemon


# --- relays ----------------------------------------------------------------------------------


@contextlib.contextmanager
def sshd(account: Account) -> Iterator[Callable[..., list[str]]]:
    """Run a real ssh server that knows the account; give how a command line of its client begins."""
    missing = [each for each in ("sshd", "ssh", "ssh-keygen") if not shutil.which(each, path=_PATH)]
    if missing:
        pytest.skip(f"needs OpenSSH ({', '.join(missing)})")
    folder = account.folder / "ssh"
    folder.mkdir()
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    shutil.copy(folder / "user.pub", folder / "authorized")
    with kept_port() as port:
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nAllowStreamLocalForwarding yes\nLogLevel VERBOSE\n"
        )
        with _watched(
            [*account.as_root, shutil.which("sshd", path=_PATH), "-D", "-e", "-f"],
            folder / "sshd_config",
        ) as server:
            until(lambda: "Server listening" in server.log.read_text() or server.check())
            yield lambda *words: [
                *("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"),
                *("-o", f"UserKnownHostsFile={folder}/known", "-i", f"{folder}/user"),
                *("-p", str(port), *map(str, words), f"{account.name}@127.0.0.1"),
            ]


_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


class _Watched:
    """A program in the background, and the file that holds what it says."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def check(self) -> bool:
        """Return False as long as it lives."""
        assert self.process.poll() is None, self.log.read_text()
        return False


@contextlib.contextmanager
def _watched(command: list[Any], *more: Any, folder: Path | None = None) -> Iterator[_Watched]:
    words = [str(each) for each in (*command, *more)]
    log = (folder or Path(words[-1]).parent) / "said"
    with log.open("wb") as said:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={"PATH": _PATH, "HOME": "/nonexistent"},
            cwd="/",
        )
    try:
        yield _Watched(process, log)
    finally:
        # A client of ssh may sleep through a signal that asks it to leave.
        process.kill()
        process.wait(PATIENCE)


def asked(socket_path: Path, verb: str, path: str) -> str:
    """Return what is answered at a socket: status and body."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(socket_path), verb, path],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_refused(socket_path: Path) -> None:
    """Every request is refused because of the relay."""
    for verb, path in EVERYTHING:
        answer = asked(socket_path, verb, path)
        assert answer.startswith("403 "), (verb, path, answer)
        assert "no-relays" in answer


def test_s3_a_forward_of_ssh_gets_nothing(account: Account, served: RunningDaemon) -> None:
    """S-3: the end of `ssh -L` is a process of sshd whose program is hidden, in every mode."""
    near = account.folder / "near.sock"
    with sshd(account) as ssh:
        forward = ssh("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{near}:{served.socket}")
        with _watched(forward, folder=account.folder) as client:
            until(lambda: near.exists() or client.check())

            assert_refused(near)
    assert account.ask(served.socket, TOKEN).startswith("200 ")


def test_s3_a_forward_of_ssh_gets_nothing_at_an_endpoint(account: Account) -> None:
    """S-3: there the process of sshd is hidden, and who is hidden is no client of ours."""
    client = CLIENTS["gce"]
    with kept_port() as port, kept_port() as near:
        config = DEMO.replace("demo", "given") + block(client.door, "given", port=port)
        with account.daemon(config) as daemon, sshd(account) as ssh:
            until(lambda: listening_at(port))
            way = f"{near}:127.0.0.1:{port}"
            forward = ssh("-N", "-o", "ExitOnForwardFailure=yes", "-L", way)
            with _watched(forward, folder=account.folder) as watched:
                until(lambda: listening_at(near) or watched.check())
                answer = client.asks_at("127.0.0.1", near, Host=f"127.0.0.1:{port}")
            line = json.loads((daemon.state_dir / "audit.log").read_text().splitlines()[-1])
    assert (answer.status, line["rule"]) == (403, "no-strangers")
    assert "which process asks here is hidden, ask by the helper" in answer.body.decode()


def test_s3_an_ssh_login_is_no_relay(account: Account, served: RunningDaemon) -> None:
    """S-3: a shell has sshd above it and asks for itself, in every mode."""
    script = account.folder / "ask.py"
    script.write_text(ASK)
    with sshd(account) as ssh:
        done = subprocess.run(
            [*ssh(), f"{PYTHON} -I -S {script} {served.socket} GET {TOKEN}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    assert done.stdout.startswith("200 "), (done.stdout, done.stderr, served.log()[-2000:])


def in_a_namespace(account: Account, *command: str | Path) -> list[Any]:
    """Return a command that runs as the account, with users and mounts of its own."""
    if not shutil.which("socat"):
        pytest.skip("needs socat")
    inside = ["unshare", "--user", "--map-root-user", "--mount"]
    if account.run(*inside, "true").returncode != 0:
        pytest.skip("user namespaces are not permitted here (unshare -Urm)")
    return [*account.become(), *inside, *command]


def test_s3_socat_in_a_namespace_gets_nothing(account: Account) -> None:
    """S-3: its program is one of another root; its name tells."""
    near = account.folder / "near.sock"
    with account.daemon(DEMO) as daemon:
        account.folder.chmod(0o777)
        relay = ("socat", f"UNIX-LISTEN:{near},fork", f"UNIX-CONNECT:{daemon.socket}")
        with _watched(in_a_namespace(account, *relay), folder=account.folder) as running:
            until(lambda: near.exists() or running.check())

            assert_refused(near)


def test_s3_socat_as_a_link_to_another_name_gets_nothing(account: Account) -> None:
    """S-3: so upstream installs socat 1.8; its program is certain, and named otherwise."""
    if (installed := shutil.which("socat")) is None:
        pytest.skip("needs socat")
    near = account.folder / "near.sock"
    shutil.copy(installed, account.folder / "relay1")
    (account.folder / "socat").symlink_to("relay1")
    with account.daemon(DEMO) as daemon:
        account.folder.chmod(0o777)
        relay = (f"UNIX-LISTEN:{near},fork", f"UNIX-CONNECT:{daemon.socket}")
        command = [*account.become(), account.folder / "socat", *relay]
        with _watched(command, folder=account.folder) as running:
            until(lambda: near.exists() or running.check())

            assert_refused(near)


def test_s3_what_socat_starts_in_a_namespace_gets_nothing(account: Account) -> None:
    """S-3: nothing certain stands between the relay and the program that asks."""
    script = account.folder / "ask.py"
    script.write_text(ASK)
    with account.daemon(DEMO) as daemon:
        start = f"{PYTHON} -I -S {script} {daemon.socket} GET {TOKEN}"
        relay = in_a_namespace(account, "socat", f"-t{PATIENCE}", "-", f"EXEC:{start}")
        done = subprocess.run(
            relay,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=PATIENCE,
        )

    assert done.stdout.startswith("403 "), (done.stdout, done.stderr)
    assert "no-relays" in done.stdout


def test_s7_who_is_not_seen_is_not_told_that_all_is_well(account: Account) -> None:
    """S-7: neither the users of a daemon of another account, nor its operator about them."""
    rules = account.folder / "policy"
    rules.mkdir()
    (rules / "all.cedar").write_text(LISTED.replace("principal.is_listed", "principal.uid > 0"))
    config = (
        f'[listen]\nmode = "system"\nallow_uids = [{account.uid}]\n'
        f'[policy]\ndirectory = "{rules}"\n' + DEMO
    )
    with account.daemon(config, uid=account.uid + 10) as daemon:
        answers = [
            account.ask(daemon.socket, "/v1/credentials"),
            account.ask(daemon.socket, "/v1/credentials", uid=account.uid + 10),
        ]

    for answer in answers:
        said = json.loads(answer.partition(" ")[2])["attestation"]
        assert said.startswith("degraded ("), said
        assert f"the programs of uid {account.uid} cannot be read" in said


CHOOSE = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
body = sys.argv[2].encode()
head = f"POST /v1/choices HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
s.sendall(head.encode() + body)
print(s.recv(65536).split()[1].decode())
"""


def test_each_user_sees_and_changes_only_its_own_choices(account: Account) -> None:
    """Neither the list nor a warning tells a folder or a name; one for the same place stays."""
    rules = account.folder / "policy"
    rules.mkdir()
    (rules / "all.cedar").write_text('@id("all") permit (principal, action, resource);\n')
    config = (
        f'[listen]\nmode = "system"\nallow_uids = [{account.uid}, {account.uid + 20}]\n'
        f'[policy]\ndirectory = "{rules}"\n' + DEMO
    )
    owner = account.uid + 10
    folders = {owner: "/srv/secret-plan", account.uid: "/srv/one/work"}
    with account.daemon(config, uid=owner) as daemon:
        for uid, folder in folders.items():
            for change in (
                {"credential": "demo", "folder": folder},
                {"credential": "demo", "folder": "/srv/both"},
            ):
                words = (PYTHON, "-I", "-S", "-c", CHOOSE, daemon.socket, json.dumps(change))
                done = account.run(*words, uid=uid)
                assert done.stdout == "200\n", done.stdout + done.stderr
        forget = (*words[:-1], json.dumps({"folder": "/srv/both"}))
        assert account.run(*forget, uid=account.uid).stdout == "200\n"
        (daemon.config_file).write_text(config.replace("[credentials.demo]", "[credentials.new]"))
        reload = (PYTHON, "-I", "-S", "-c", ASK, daemon.socket, "POST", "/v1/reload")
        assert account.run(*reload, uid=owner).stdout.startswith("200 ")
        seen = {
            uid: [
                account.ask(daemon.socket, path, uid=uid)
                for path in ("/v1/choices", "/v1/credentials")
            ]
            for uid in (owner, account.uid, account.uid + 20)
        }

    for uid, answers in seen.items():
        assert all(each.startswith("200 ") for each in answers), answers
        shown = {folder for folder in folders.values() if all(folder in each for each in answers)}
        hidden = {folder for folder in folders.values() if folder not in "".join(answers)}
        wanted = {folders.get(uid)} - {None}
        assert ("/srv/both" in answers[0]) == (uid == owner)
        assert shown == wanted
        assert hidden == set(folders.values()) - wanted


# --- programs that are not what they seem ----------------------------------------------------


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """Return a program that policy trusts, and nobody else."""
    program = tmp_path / "trusted"
    shutil.copy(os.path.realpath(sys.executable), program)
    return program


@pytest.fixture
def trusting(start_daemon: DaemonFactory, trusted: Path, tmp_path: Path) -> RunningDaemon:
    """Run a daemon that gives tokens to that program alone."""
    rules = tmp_path / "policy"
    rules.mkdir()
    (rules / "only.cedar").write_text(
        '@id("only-trusted")\n'
        'forbid (principal is Caller, action == Action::"Issue", resource is Credential)\n'
        f'unless {{ principal has executable && principal.executable == "{trusted}" }};\n'
    )
    return start_daemon(f'[policy]\ndirectory = "{rules}"\n' + DEMO)


def python(program: Path | str, script: str, *arguments: str | Path) -> list[str]:
    """Return a command that runs *script* by an interpreter that was copied to *program*."""
    return [str(program), "-c", script, *map(str, arguments)]


HOME = {**os.environ, "PYTHONHOME": sys.base_prefix}


def test_s4_a_program_that_was_mounted_over_a_trusted_one_gets_nothing(
    trusting: RunningDaemon, trusted: Path, tmp_path: Path
) -> None:
    """S-4: started from outside of the namespace in which it has that path."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0:
        pytest.skip("user namespaces are not permitted here (unshare -Urm)")
    other = tmp_path / "other"
    shutil.copy(trusted, other)
    ask = python(trusted, ASK, trusting.socket, "GET", TOKEN)
    honest = subprocess.run(ask, env=HOME, capture_output=True, text=True)
    with subprocess.Popen(
        [
            "unshare",
            "-Urm",
            "sh",
            "-ec",
            'mount --bind "$1" "$2"; echo; read end',
            "-",
            other,
            trusted,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.readline()
        ask[0] = f"/proc/{holder.pid}/root{trusted}"
        forged = subprocess.run(ask, env=HOME, capture_output=True, text=True)
        holder.stdin.close()

    assert honest.stdout.startswith("200 "), honest.stderr
    assert forged.stdout.startswith("403 "), forged.stderr
    assert "only-trusted" in forged.stdout


def test_s5_a_trusted_program_that_came_after_connect_gets_nothing(
    trusting: RunningDaemon, trusted: Path
) -> None:
    """S-5: a child writes on the connection when its parent has become the trusted program."""
    script = """
import os, socket, sys, time
path, trusted = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.connect(path)
# Answered once, so that it was accepted as what it is now.
s.sendall(b"GET /v1/health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
s.recv(65536)
parent = os.getpid()
if not os.fork():
    while os.readlink(f"/proc/{parent}/exe") != trusted:
        time.sleep(0.01)
    s.sendall(b"GET /v1/credentials/demo/token HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    answer = b""
    while part := s.recv(65536):
        answer += part
    os.write(1, answer)
    os._exit(0)
os.execv(trusted, [trusted, "-c", "import os; os.wait()"])
"""
    done = subprocess.run(
        python(sys.executable, script, trusting.socket, trusted),
        env=HOME,
        capture_output=True,
        timeout=PATIENCE,
    )

    assert done.stdout.startswith(b"HTTP/1.1 403 "), (done.stdout, done.stderr)
    assert b"only-trusted" in done.stdout


# --- file systems and memory that never answer -----------------------------------------------


@needs_fuse
def test_s16_a_caller_on_a_dead_file_system_holds_nobody_up(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """S-16: its program cannot be asked for; it is answered, and so are the others; the daemon ends."""
    script = "import sys; print('ready', flush=True); sys.stdin.readline()\n" + ASK
    with SilentFileSystem(tmp_path / "dead", Path(os.path.realpath(sys.executable))) as files:
        command = python(files.program, script, daemon.socket, "GET", TOKEN)
        with subprocess.Popen(
            command,
            env=HOME,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as caller:
            try:
                assert caller.stdout is not None
                assert caller.stdout.readline() == "ready\n"
                files.be_silent()
                answer, _ = caller.communicate("go\n", timeout=PATIENCE)

                assert answer.startswith("200 ")
                assert daemon.get("demo").status == 200
                assert daemon.stop() == 0
            finally:
                caller.kill()


# Hands its connection over and says so; then one thread waits for the file system with the lock of this
# process's memory in its hand, and another one for that lock: whoever comes after them waits as well.
STUCK = """
import array, ctypes, os, socket, sys, threading
path, file, *channels = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.connect(path)
t, u = [socket.socket(fileno=int(each)) for each in channels]
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
dirty = libc.mmap(None, 4096, 3, 1, os.open(file, os.O_RDWR), 0)
ctypes.memset(dirty, 65, 4096)
first = threading.Thread(target=lambda: (t.recv(1), libc.munmap(dirty, 4096)))
second = threading.Thread(target=lambda: (u.recv(1), libc.mmap(None, 4096, 3, 0x22, -1, 0)))
first.start()
second.start()
t.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
first.join()
"""


@needs_fuse
@by_owner
def test_s16_a_caller_whose_memory_cannot_be_read_holds_nobody_up(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """S-16: it may be below an agent for all that can be seen, so it manages nothing; others wait for nothing."""
    with contextlib.ExitStack() as held:
        files = held.enter_context(SilentFileSystem(tmp_path / "dead", Path("/bin/true")))
        pairs = [socket.socketpair() for _ in range(2)]
        for each in itertools.chain(*pairs):
            held.enter_context(each)
        ours, theirs = zip(*pairs, strict=True)
        channels = [each.fileno() for each in theirs]
        command = python(sys.executable, STUCK, daemon.socket, files.program, *map(str, channels))
        with subprocess.Popen(command, pass_fds=channels) as caller:
            try:
                size = array.array("i", [0]).itemsize
                _, rights, _, _ = ours[0].recvmsg(1, socket.CMSG_SPACE(size))
                (handed,) = array.array("i", rights[0][2])
                connection = socket.socket(fileno=handed)
                connection.settimeout(PATIENCE)
                files.be_silent()
                # Each thread has a channel of its own: which of two readers of one is woken is chance.
                for waiting, channel in enumerate(ours, 1):
                    channel.send(b"x")
                    until(lambda: _waiting(caller.pid) == waiting)  # noqa: B023 - at once

                connection.sendall(
                    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    b"Content-Length: 0\r\n\r\n"
                )
                assert daemon.get("demo").status == 200
                with connection:
                    answer = b""
                    while part := connection.recv(65536):
                        answer += part

                assert answer.startswith(b"HTTP/1.1 403 ")
                assert b"the environment of your process cannot be read" in answer
                assert daemon.stop() == 0
            finally:
                caller.kill()
                files.end()


def _waiting(pid: int) -> int:
    """Return how many threads of a process wait and cannot be interrupted."""
    states = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            states.append((task / "stat").read_text().rpartition(")")[2].split()[0])
    return states.count("D")
