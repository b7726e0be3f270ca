"""The worker's side, spoken to as the daemon does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from canaries import MARK, canary
from credward import __version__
from fakes.plug_in import install_plug_in
from fakes.watching import gone
from waiting import PATIENCE, until

BROKER = Path(__file__).parents[3] / "broker"
MAIN = BROKER / "credward" / "workers" / "__main__.py"

# A provider of somebody else's that does what ours never do.
HOSTILE = """
import msgspec
from credward.tokens import Secret, Token

class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    do: str
    text: str = "t"

class Provider:
    def mint(self, token_request, io):
        settings = token_request.settings
        if settings.do == "raise":
            raise ValueError(settings.text)
        if settings.do == "exit":
            raise SystemExit(settings.text)
        if settings.do == "warn":
            io.warn("rotate it")
        if settings.do.startswith("use up"):
            io.use_up(settings.text, 2000.0)
            if settings.do.endswith("and raise"):
                raise ValueError(settings.text)
            settings = Settings(do="", text=",".join(sorted(token_request.used_proofs)) or "none")
        return Token(secret=Secret(settings.text), issued_at=io.now(), expires_at=None)
"""


class Line:
    """The daemon's end of a link."""

    def __init__(self, link: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._link = link
        self._file = link.makefile("rb")

    def hear(self) -> dict:
        return json.loads(self._file.readline())

    def say(self, **words: object) -> None:
        self._link.sendall(json.dumps(words).encode() + b"\n")

    def send(self, raw: bytes) -> None:
        self._link.sendall(raw)

    def ask(self, **settings: object) -> dict:
        self.say(type="mint", credential="c", settings=settings, now=1000.0)
        return self.hear()

    def close(self) -> None:
        self._file.close()
        self._link.close()


@pytest.fixture
def start(tmp_path) -> Iterator:
    """Return a starter of workers by provider; they end with the test."""
    lines: list[Line] = []

    def start(provider: str, **environ: str) -> Line:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    str(MAIN),
                    provider,
                    str(theirs.fileno()),
                    "-1",
                    str(BROKER),
                ],
                pass_fds=(theirs.fileno(),),
                env={"PATH": "/usr/bin:/bin", "CREDWARD_WORKER": "1", **environ},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(PATIENCE)
        lines.append(Line(ours, process))
        return lines[-1]

    yield start
    for line in lines:
        line.close()
        line.process.wait(PATIENCE)


@pytest.fixture
def hostile(tmp_path, start) -> Line:
    """Return a worker of the hostile provider, past its hello."""
    folder = tmp_path / "site"
    folder.mkdir()
    # By the same route as a checkout: the directory in argv may hold other packages too.
    (folder / "credward").symlink_to(BROKER / "credward")
    install_plug_in(
        folder,
        "hostile",
        providers={"hostile": "Provider"},
        settings={"hostile": "Settings"},
        source=HOSTILE,
    )
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", str(MAIN), "hostile", str(theirs.fileno()), "-1", str(folder)],
            pass_fds=(theirs.fileno(),),
            env={},
            stdin=subprocess.DEVNULL,
        )
    ours.settimeout(PATIENCE)
    line = Line(ours, process)
    assert line.hear()["provider"] == "hostile"
    yield line
    line.close()
    process.wait(PATIENCE)


def test_says_hello_with_its_version(start):
    """Before anything else, and before the provider is loaded."""
    assert start("nosuch").hear() == {
        "type": "hello",
        "version": __version__,
        "provider": "nosuch",
    }


def test_mints_one_after_the_other_and_leaves_at_the_end_of_its_link(start):
    """With exit code 0."""
    line = start("command")
    line.hear()
    for word in ("one", "two"):
        answer = line.ask(command=["echo", word], lifetime=5)
        assert (answer["type"], answer["token"], answer["kind"]) == ("minted", word, "bearer")
        # Counted from the daemon's clock in the request, not from this machine's.
        assert 1004 <= answer["expires_at"] < 1010

    line.close()
    assert line.process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("command", "local"),
    [(["/no/such/program"], True), (["no-such-program"], True), (["sh", "-c", "exit 78"], False)],
)
def test_g2_what_is_missing_on_this_machine_is_said_to_be(start, command, local):
    """A program that is not there asked nobody; one that ran may have."""
    line = start("command")
    line.hear()
    answer = line.ask(command=command, lifetime=5)

    assert (answer["kind"], answer["local"]) == ("fix-configuration", local)


def test_g2_a_file_that_is_not_there_is_missing_on_this_machine(start, tmp_path):
    """Whatever it was for."""
    line = start("static")
    line.hear()
    answer = line.ask(secret={"file": str(tmp_path / "missing")})

    assert (answer["kind"], answer["local"]) == ("fix-configuration", True)


@pytest.mark.parametrize("raw", [b"garbage\n", b"{}\n", b"\xff\xfe\n", b'{"credential":1}\n'])
def test_a_request_that_is_none_is_answered(start, raw):
    """A defect of ours is reported, and the worker lives on."""
    line = start("command")
    line.hear()
    line.send(raw)

    assert (line.hear() | {"cause": ""})["kind"] == "internal"
    assert line.ask(command=["echo", "t"], lifetime=5)["type"] == "minted"


def test_a_request_that_never_ends_ends_the_worker(start):
    """128 KiB without a newline is not the daemon."""
    line = start("command")
    line.hear()
    line.send(b"x" * 131072)

    assert line.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("text", ["", "two\nlines", "tökén", "nul\0", "tab\t", "x" * 40_000])
def test_a_token_that_is_not_printable_is_refused(hostile, text):
    """Whatever the provider thinks of it (T7)."""
    answer = hostile.ask(do="mint", text=text)

    assert (answer["type"], answer["kind"]) == ("failed", "provider-refused")
    assert "printable ASCII" in answer["cause"]
    if text:
        assert text not in json.dumps(answer)


def test_a_token_with_quotes_and_backslashes_passes(hostile):
    """AWS keys travel as JSON inside JSON."""
    assert hostile.ask(do="mint", text='{"a\\": "b"}')["token"] == '{"a\\": "b"}'


def test_a_defect_shows_its_class_and_nothing_else(hostile):
    """The text of an exception may hold a secret (H3)."""
    answer = hostile.ask(do="raise", text=canary("exception"))

    assert (answer["kind"], answer["sent"]) == ("internal", "maybe")
    assert "ValueError" in answer["cause"]
    assert MARK not in json.dumps(answer)


def test_settings_that_do_not_fit_are_a_defect(hostile):
    """The daemon checked them: it cannot happen, and says no value when it does."""
    answer = hostile.ask(do="mint", nosuch=canary("setting"))

    assert answer["kind"] == "internal"
    assert MARK not in json.dumps(answer)


def test_a_warning_travels_with_the_token(hostile):
    """And does not stick to the next one."""
    assert hostile.ask(do="warn")["warning"] == "rotate it"
    assert hostile.ask(do="mint")["warning"] is None


def test_what_was_used_up_is_told_with_token_and_failure(hostile):
    """And not again with the next; a provider sees what the daemon remembers."""
    assert hostile.ask(do="use up", text="one")["used_up"] == {"one": 2000.0}
    failed = hostile.ask(do="use up and raise", text="two")
    assert (failed["type"], failed["used_up"]) == ("failed", {"two": 2000.0})
    assert hostile.ask(do="mint")["used_up"] == {}

    hostile.say(
        type="mint",
        credential="c",
        settings={"do": "use up", "text": "x"},
        now=1000.0,
        used_proofs=["two", "one"],
    )
    assert hostile.hear()["token"] == "one,two"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_h1_a_worker_makes_no_core_and_gets_no_privileges(start):
    """But for a worker that runs programs, which may be set-uid."""
    line = start("local")
    line.hear()
    limits = Path(f"/proc/{line.process.pid}/limits").read_text()
    core = next(each for each in limits.splitlines() if each.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    assert "NoNewPrivs:\t1" in Path(f"/proc/{line.process.pid}/status").read_text()

    line = start("command")
    line.hear()
    assert "NoNewPrivs:\t0" in Path(f"/proc/{line.process.pid}/status").read_text()


_LOOK = """
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
worker = subprocess.Popen([sys.executable, "-I", *sys.argv[1:2], "local", str(theirs.fileno()), "-1",
                           *sys.argv[2:]], pass_fds=(theirs.fileno(),), env={"A": "b"})
theirs.close()
assert ours.recv(100)
for name in ("environ", "mem", "maps", "exe"):
    path = f"/proc/{worker.pid}/{name}"
    try:
        os.readlink(path) if name == "exe" else open(path).read(1)
    except PermissionError:
        continue
    print(name)
ours.close()
worker.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_h1_a_worker_cannot_be_looked_into_by_its_own_user():
    """Once the first statement has run; root is put in the place of a user by taking its powers away."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("no setpriv to take root's capabilities away")
        prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    command = [*prefix, sys.executable, "-I", "-c", _LOOK, str(MAIN), str(BROKER)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_h5_a_program_gets_its_three_descriptors_and_no_more(start):
    """Not the link, nor whatever the daemon forgot to close; and a clean environment."""
    line = start("command", HOME="/home/me", LANG="C")
    line.hear()
    shown = line.ask(
        command=["/bin/sh", "-c", "printf %s, /proc/self/fd/*; env | sort | tr '\\n' ,"],
        lifetime=5,
        env={"EXTRA": "1"},
    )["token"].split(",")

    descriptors = {each.rpartition("/")[2] for each in shown if each.startswith("/proc/self/fd/")}
    # The shell has one open on the directory while it lists it.
    assert descriptors - {"3"} == {"0", "1", "2"}
    names = {each.partition("=")[0] for each in shown if "=" in each}
    # The shell's own, and what the interpreter sets by itself where the locale is C (PEP 538).
    assert names - {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"} == {
        "CREDWARD_WORKER",
        "EXTRA",
        "HOME",
        "LANG",
        "PATH",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_h5_a_worker_holds_its_link_and_nothing_of_the_daemon(start):
    """Standard streams aside."""
    with open(__file__) as file:
        os.set_inheritable(file.fileno(), True)
        line = start("local")
        line.hear()
        folder = Path(f"/proc/{line.process.pid}/fd")
        try:
            held = {each.name: os.readlink(each) for each in folder.iterdir()}
        except PermissionError:
            pytest.skip("a worker hides its descriptors from its own user, as it should")

    others = {name: target for name, target in held.items() if int(name) > 2}
    assert [target.partition(":")[0] for target in others.values()] == ["socket"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a parent-death signal")
@pytest.mark.parametrize("provider", ["local", "command"])
def test_a_killed_daemon_leaves_no_worker_and_no_program(tmp_path, provider):
    """Even when the worker is in mid-mint and cannot notice the end of its link."""
    mark = tmp_path / "pids"
    command = ["sh", "-c", f"echo $$ >>{mark}; exec sleep 605"]
    program = (
        "import json, os, socket, subprocess, sys\n"
        "ours, theirs = socket.socketpair()\n"
        f"w = subprocess.Popen([sys.executable, '-I', {str(MAIN)!r}, {provider!r},"
        f" str(theirs.fileno()), '-1', {str(BROKER)!r}], pass_fds=(theirs.fileno(),),"
        " env={'PATH': '/usr/bin:/bin'}, start_new_session=True)\n"
        "theirs.close(); ours.recv(100)\n"
        f"if {provider!r} == 'command':\n"
        "    ours.sendall(json.dumps({'type': 'mint', 'credential': 'c', 'now': 1, 'settings':"
        f" {{'command': {command!r}, 'lifetime': 5}}}}).encode() + b'\\n')\n"
        "print(w.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    daemon = subprocess.Popen(
        [sys.executable, "-I", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pids = [int(daemon.stdout.readline())]
    if provider == "command":
        until(lambda: mark.exists() and mark.read_text().strip())
        pids.append(int(mark.read_text()))
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    daemon.stdin.close()
    daemon.stdout.close()

    until(lambda: all(gone(pid) for pid in pids))
