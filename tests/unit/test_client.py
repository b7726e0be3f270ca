"""The daemon seen from outside, over a socket that says whatever the test wants."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import credward
from credward import wire
from credward.client import Client
from credward.errors import BrokerError, Failure, Kind, Recovery
from credward.tokens import ClientFlag, TokenRequest

GATEWAY = TokenRequest(credential="gateway")


@pytest.fixture
def directory():
    made = tempfile.mkdtemp(prefix="cw-", dir="/tmp")
    yield Path(made)
    shutil.rmtree(made)


class Daemon:
    """Takes connections one by one, keeps what it was asked and answers with fixed bytes."""

    def __init__(self, path: Path, answer: bytes | None, *, read: bool = True) -> None:
        self.asked: list[bytes] = []
        self._answer = answer
        self._read = read
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(0)
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if self._read:
                    self.asked.append(connection.recv(65_536))
                if self._answer is None:
                    self._held.append(connection)
                    continue
                connection.sendall(self._answer)
                connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._held:
            each.close()


@pytest.fixture
def daemon(directory):
    made = []

    def start(answer: bytes | None, **keywords) -> Daemon:
        made.append(Daemon(directory / "s", answer, **keywords))
        return made[-1]

    yield start
    for each in made:
        each.close()


def http(status: int, body: bytes, media: str = "application/json", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {media}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def test_gets_a_token_and_its_headers(directory, daemon):
    """Everything of the token request is in the question, everything of the answer in the result."""
    running = daemon(http(200, b"abc\n", "text/plain", "Expires-At: 7"))
    body, headers = Client([directory / "s"]).get_token(
        TokenRequest(
            credential="gateway",
            format="json",
            audience="api://x y",
            scopes=("a", "b"),
            min_remaining=930,
            cache_ttl=300,
            timeout=200,
            client_base_url="https://h/+",
            client_flags=frozenset({ClientFlag(word="proxy=p:1"), ClientFlag(word="extra-ca")}),
            in_tool=True,
        )
    )

    assert body == b"abc\n"
    assert headers["expires-at"] == "7"
    expected = (
        b"GET /v1/credentials/gateway/json?timeout=200.000&client_base_url=https%3A%2F%2Fh%2F%2B"
        b"&min_remaining=930.000&cache_ttl=300.000&audience=api%3A%2F%2Fx%20y&scope=a%20b"
        b"&client_flags=extra-ca%2Cproxy%3Dp%3A1&in_tool=1 HTTP/1.1\r\nHost: credward\r\n"
        b"Accept: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )

    assert running.asked == [expected]


def test_s2_a_folder_is_handed_over(directory, daemon):
    """As the body of a POST; the daemon has to say that it looked at it."""
    running = daemon(http(200, b"abc\n", "text/plain", "Credward-Folder: judged"))
    body, _ = Client([directory / "s"]).get_token(GATEWAY, b"unreadable .\n")

    assert body == b"abc\n"
    (asked,) = running.asked
    assert asked.startswith(b"POST /v1/credentials/gateway/token?")
    assert b"\r\nContent-Type: application/vnd.credward.folder\r\nContent-Length: 13\r\n" in asked
    assert asked.endswith(b"\r\n\r\nunreadable .\n")


def test_s2_s11_a_daemon_that_looked_at_no_folder(directory, daemon):
    """Is older than we are: its token is not taken."""
    daemon(http(200, b"abc\n", "text/plain"))
    with pytest.raises(BrokerError, match="older than this command") as caught:
        Client([directory / "s"]).get_token(GATEWAY, b"unreadable .\n")

    assert caught.value.kind is Kind.FIX_CONFIGURATION


@pytest.mark.parametrize("variables", ["ANTHROPIC_BASE_URL=https%3A%2F%2Fh", "https_proxy"])
def test_s11_a_daemon_that_looked_at_no_variables(directory, daemon, variables):
    """Its token is not taken where they decide where it goes; one that looked says so."""
    daemon(http(200, b"abc\n", "text/plain"))
    with pytest.raises(BrokerError, match="does not check the environment") as caught:
        Client([directory / "s"]).get_token(GATEWAY, variables=variables)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_what_the_environment_says_goes_with_the_question(directory, daemon):
    """Encoded once more, as a value of the query."""
    running = daemon(http(200, b"abc\n", "text/plain", "Credward-Variables: judged"))
    Client([directory / "s"]).get_token(GATEWAY, variables="ANTHROPIC_BASE_URL=https%3A%2F%2Fh,x")

    assert b"&variables=ANTHROPIC_BASE_URL=https%253A%252F%252Fh,x HTTP/1.1\r\n" in running.asked[0]


@pytest.mark.parametrize("variables", ["", "CLAUDECODE", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS=1"])
def test_s11_what_decides_nothing_an_older_daemon_may_overlook(directory, daemon, variables):
    """Whoever has no such variable is served as before."""
    daemon(http(200, b"abc\n", "text/plain"))

    assert Client([directory / "s"]).get_token(GATEWAY, variables=variables)[0] == b"abc\n"


def test_names_cannot_leave_their_place(directory, daemon):
    """R10: a strange name is escaped, and the daemon says no."""
    running = daemon(http(200, b"x", "text/plain"))
    Client([directory / "s"]).get_token(TokenRequest(credential="../a?b", format="c/d"))

    assert running.asked[0].startswith(b"GET /v1/credentials/..%2Fa%3Fb/c%2Fd?timeout=")


@pytest.mark.parametrize(
    ("call", "first_line", "body"),
    [
        (
            lambda c: c.statuses(),
            b"GET /v1/credentials",
            wire.StatusList(now=1, pid=2, credentials=[]),
        ),
        (lambda c: c.health(), b"GET /v1/health", wire.Health(pid=1)),
        (lambda c: c.ready(), b"GET /v1/ready", wire.Ready(ready=True)),
        (lambda c: c.reload(), b"POST /v1/reload", wire.ReloadResult(credentials=["a"])),
        (lambda c: c.jwks("a"), b"GET /v1/credentials/a/jwks", wire.Jwks(keys=[])),
        (
            lambda c: c.refresh("a", 3),
            b"POST /v1/credentials/a/refresh?timeout=3.000",
            wire.RefreshResult(credential="a", token_id="b", issued_at=1),
        ),
        (
            lambda c: c.refresh("a", 3, audience="x", scopes=("y", "z")),
            b"POST /v1/credentials/a/refresh?timeout=3.000&audience=x&scope=y%20z",
            wire.RefreshResult(credential="a", token_id="b", issued_at=1),
        ),
    ],
)
def test_reads_each_answer_as_what_it_is(directory, daemon, call, first_line, body):
    """One method per route, one struct per answer."""
    running = daemon(http(200, wire.encode(body)))

    assert call(Client([directory / "s"])) == body
    assert running.asked[0].startswith(first_line + b" HTTP/1.1\r\n")


def test_not_ready_is_an_answer(directory, daemon):
    """503 with a body of its own is no failure."""
    daemon(http(503, b'{"ready": false, "reasons": ["no policy"]}'))

    assert Client([directory / "s"]).ready().reasons == ["no policy"]


def test_reports_a_rejected_token_and_reads_the_audit(directory, daemon):
    """The body says which token; the log comes as it is."""
    running = daemon(http(202, b"{}"))
    Client([directory / "s"]).rejected("a", "xy")
    page = Client([directory / "s"]).audit(after=7)

    assert running.asked[0].endswith(b'\r\n\r\n{"token_id":"xy"}')
    assert running.asked[1].startswith(b"GET /v1/audit?after=7 ")
    assert page == (b"{}", None)


def test_g9_a_report_says_why_and_until_when(directory, daemon):
    """As far as that is known."""
    running = daemon(http(202, b"{}"))
    Client([directory / "s"]).rejected("a", "xy", reason="quota", until=2000.5)

    assert running.asked[0].endswith(b'{"token_id":"xy","reason":"quota","until":2000.5}')


def test_g11_another_token_than_this_one_is_asked_for(directory, daemon):
    """By the id of the one that was refused."""
    running = daemon(http(200, b"token\n"))
    Client([directory / "s"]).get_token(TokenRequest(credential="a", other_than="0123ab"))

    assert b"&not=0123ab HTTP/1.1" in running.asked[0]


def test_a_problem_is_the_error_that_it_says(directory, daemon):
    """Kind, message, hint, recovery and time of return."""
    failure = Failure.of(
        Kind.RATE_LIMITED, "slow down", hint="later", retry_after=3.0, recovery=Recovery.RETRY
    )
    daemon(http(429, wire.encode(wire.Problem.of(failure)), "application/problem+json"))

    with pytest.raises(BrokerError) as caught:
        Client([directory / "s"]).get_token(GATEWAY)

    assert caught.value.kind is Kind.RATE_LIMITED
    assert (caught.value.message, caught.value.failure.hint) == ("slow down", "later")
    assert caught.value.failure.retry_after == 3.0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(403, b"plain\n", "text/plain", "Credward-Kind: denied"), Kind.DENIED),
        (http(500, b"oops", "text/html"), Kind.FIX_CONFIGURATION),
        (http(200, b"{}"), Kind.INTERNAL),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", Kind.INTERNAL),
        (b"HTTP/1.1 200 OK\r\n\r\n", Kind.INTERNAL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", Kind.NOT_RUNNING),
        (b"", Kind.NOT_RUNNING),
    ],
)
def test_s11_what_is_not_understood_is_still_a_coded_error(directory, daemon, answer, kind):
    """S11: an older or newer daemon, a stranger on the socket, an answer cut short."""
    daemon(answer)

    with pytest.raises(BrokerError) as caught:
        Client([directory / "s"]).statuses()

    assert caught.value.kind is kind


def test_tries_the_places_in_order(directory, daemon):
    """Missing, dead and unusable places are passed over."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(directory / "dead"))
    dead.close()
    running = daemon(http(200, b'{"pid": 1}'))
    paths = [directory / "missing", directory / "dead", directory / ("x" * 120), directory / "s"]

    assert Client(paths).health().pid == 1
    assert len(running.asked) == 1


def test_s6_s7_no_daemon_is_said_at_once(directory):
    """S6, S7: not running, in well under 100 ms, with what to type; that nobody listens is no hint."""
    took = []
    for _ in range(5):
        start = time.perf_counter()
        with pytest.raises(BrokerError) as caught:
            Client([directory / "missing", directory / ("x" * 120)]).health()
        took.append(time.perf_counter() - start)

    # The best of them: the others tell what else this machine does.
    assert min(took) < 0.1
    assert caught.value.kind is Kind.NOT_RUNNING
    assert caught.value.message == "the daemon is not running: run credward daemon start"
    assert caught.value.failure.hint == ""


def test_that_a_daemon_has_ended_needs_no_hint(directory):
    """The line says all; only what is odd is shown."""
    left = directory / "left"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left))
    left.chmod(0o600)
    with pytest.raises(BrokerError) as caught:
        Client([left]).health()

    assert caught.value.kind is Kind.NOT_RUNNING
    assert caught.value.failure.hint == ""


def test_what_forbids_a_start_has_to_be_unset(directory):
    """`credward daemon start` obeys it as well, so it is not what to type."""
    with pytest.raises(BrokerError) as caught:
        Client([directory / "missing"], forbidding="CREDWARD_URL").health()

    assert caught.value.message == (
        "the daemon is not running, and CREDWARD_URL forbids to start it: unset CREDWARD_URL"
    )


def test_a_dead_socket_that_is_named_has_to_be_unset_or_served(directory):
    """Nobody looks elsewhere then."""
    with pytest.raises(BrokerError) as caught:
        Client([directory / "missing"], named=True, forbidding="CREDWARD_NO_START").health()

    assert caught.value.message.endswith(
        "which CREDWARD_SOCKET names: start that one, or unset CREDWARD_SOCKET"
    )


@pytest.mark.parametrize("read", [True, False])
def test_a_daemon_that_never_answers_costs_the_timeout(directory, daemon, read):
    """The deadline holds over connecting, asking and reading together."""
    daemon(None, read=read)
    start = time.perf_counter()

    with pytest.raises(BrokerError) as caught:
        Client([directory / "s"]).get_token(TokenRequest(credential="a", timeout=0.3))

    assert caught.value.kind is Kind.TIMED_OUT
    assert 0.25 < time.perf_counter() - start < 60


def test_waits_for_a_place_in_a_full_queue(directory):
    """A busy daemon is not a missing one."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s"))
        listener.listen(0)
        fillers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(str(directory / "s"))

        with pytest.raises(BrokerError) as caught:
            Client([directory / "s"], timeout=0.2).health()

        assert caught.value.kind is Kind.TIMED_OUT
        for each in fillers:
            each.close()


def test_imports_no_event_loop_and_no_http_library():
    """Small enough for a command that only asks."""
    heavy = {"asyncio", "http.client", "ssl", "httptools", "cedarpy", "email"}
    script = "import sys, credward.client; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": str(Path(credward.__file__).parents[1])},
    )

    assert not heavy & set(found.stdout.split())
