"""T6 for every way to a token: whatever a request is answered, one attempt, one failure, no invented end.

Each request of a way is answered wrongly in turn, in each wrong way; those before it truly. What is
wrong with a connection is done by a real server, over the real transport.
"""

from __future__ import annotations

import functools
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from canaries import canary
from contract.failures import check_failure
from contract.ways import WAYS, Far, Fault, Mint, far
from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpRequest, HttpResponse
from credward.providers.registry import load_provider, provider_entry_points
from credward.tokens import Token
from fakes.http_server import Handler, HttpServer
from marks import quick

__all__ = ["far"]

SECRET = canary("answer")
# Those that ask nobody over HTTP, and those that `test_providers` has run whole.
NO_REQUESTS = {"command", "static", "local"}
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
PAGE = f"<html><body>{SECRET}</body></html>".encode()


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A wrong answer, and what must come of it: None where several kinds are right."""

    answer: Fault
    kind: Kind | None
    sent: str | None = None
    retry_after: float | None = None


def _say(status: int, body: bytes, headers: Mapping[str, str] = JSON) -> Fault:
    return lambda _request, _ask: HttpResponse(status=status, headers=dict(headers), body=body)


def _busy(retry_after: str, seconds: float | None) -> Wrong:
    body = json.dumps({"error": "temporarily_unavailable", "error_description": SECRET}).encode()
    return Wrong(
        answer=_say(429, body, JSON | {"retry-after": retry_after}),
        kind=Kind.RATE_LIMITED,
        sent="no",
        retry_after=seconds,
    )


# --- what is wrong with a connection


class _Line(Handler):
    """Does with a connection what its path says."""

    done = threading.Event()

    def do_POST(self) -> None:
        self.body()
        self.close_connection = True
        match self.path:
            case "/reset":
                # Closing with SO_LINGER 0 sends RST instead of FIN.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
            case "/silent":
                self.done.wait(60)
            case "/slow":
                self.begin(100)
                self.wfile.write(b"{")
                self.done.wait(60)
            case "/cut":
                self.begin(100)
                self.wfile.write(b'{"access_token": "')
            case "/long":
                self.begin(70_000)
                self.wfile.write(b" " * 70_000)

    do_GET = do_PUT = do_POST  # noqa: N815 - the names are the standard library's

    def begin(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()


@pytest.fixture(scope="session")
def line(far: Far) -> Iterator[Callable[[str], Fault]]:
    """Return what breaks connections."""

    def make(what: str) -> Fault:
        url = f"{server.url}/{what}"

        def fail(http_request: HttpRequest, _ask: Callable[[], HttpResponse]) -> HttpResponse:
            timeout = 0.05 if what in {"silent", "slow"} else 20
            asked = msgspec.structs.replace(
                http_request, url=url, timeout=timeout, client_certificate=None
            )
            return far.transport.send(asked, credential="gateway")

        return fail

    with HttpServer(_Line) as server:
        yield make
        _Line.done.set()


# --- what is wrong with an answer

# Where answers tell an end, in Unix time, in a text, or in seconds from now.
_ENDS = re.compile(
    r"expires_?(in|on|at)|expir(e|ation)(time|ation)?|expiration|lease_duration|ttl|not_before",
    re.IGNORECASE,
)


def _walk(value: Any, change: Callable[[str, Any], Any], name: str = "") -> Any:
    """Return *value* with each leaf changed; a leaf that becomes `...` is left out."""
    if isinstance(value, dict):
        found = {key: _walk(each, change, key) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not ...}
    if isinstance(value, list):
        return [_walk(each, change, name) for each in value]
    return change(name, value)


def _changed(change: Callable[[str, Any], Any]) -> Fault:
    """Return the true answer with its leaves changed, in JSON or in the XML of AWS."""

    def tell(_request: HttpRequest, ask: Callable[[], HttpResponse]) -> HttpResponse:
        answer = ask()
        try:
            value = json.loads(answer.body)
            changed = _walk(value, change)
            body = answer.body if changed == value else json.dumps(changed).encode()
        except ValueError:
            body = re.sub(rb"<(\w+)>([^<]*)</\1>", functools.partial(_element, change), answer.body)
        return msgspec.structs.replace(answer, body=body)

    return tell


def _element(change: Callable[[str, Any], Any], found: re.Match[bytes]) -> bytes:
    name, text = found[1].decode(), found[2].decode()
    changed = change(name, text)
    return b"" if changed is ... else f"<{name}>{changed}</{name}>".encode()


def _end(value: Any) -> Fault:
    return _changed(lambda name, old: value if _ENDS.fullmatch(name) else old)


def _cut_short(_request: HttpRequest, ask: Callable[[], HttpResponse]) -> HttpResponse:
    answer = ask()
    return msgspec.structs.replace(answer, body=answer.body[: len(answer.body) // 2])


def _same(answer: HttpResponse) -> HttpResponse:
    return answer


def _other_type(_request: HttpRequest, ask: Callable[[], HttpResponse]) -> HttpResponse:
    return msgspec.structs.replace(ask(), headers=HTML)


ANSWERS: Mapping[str, Wrong] = {
    "429": _busy("7", 7.0),
    "429-absurd": _busy("9" * 30, None),
    "429-page": Wrong(answer=_say(429, PAGE, HTML), kind=Kind.RATE_LIMITED, sent="no"),
    "500": Wrong(answer=_say(500, b'{"error": "x"}'), kind=Kind.PROVIDER_UNREACHABLE, sent="maybe"),
    "502-page": Wrong(answer=_say(502, PAGE, HTML), kind=Kind.PROVIDER_UNREACHABLE, sent="maybe"),
    "503-empty": Wrong(answer=_say(503, b""), kind=Kind.PROVIDER_UNREACHABLE, sent="maybe"),
    "200-page": Wrong(answer=_say(200, PAGE, HTML), kind=None, sent="maybe"),
    "200-page-as-json": Wrong(answer=_say(200, PAGE), kind=None, sent="maybe"),
    "200-empty": Wrong(answer=_say(200, b""), kind=None, sent="maybe"),
    "200-garbage": Wrong(answer=_say(200, b"\xff\xfe{" + SECRET.encode()), kind=None, sent="maybe"),
    "200-null": Wrong(answer=_say(200, b"null"), kind=None, sent="maybe"),
    "200-list": Wrong(answer=_say(200, json.dumps([SECRET]).encode()), kind=None, sent="maybe"),
    "200-object": Wrong(answer=_say(200, b"{}"), kind=None, sent="maybe"),
    "200-deep": Wrong(answer=_say(200, b'{"a":' * 9000), kind=None, sent="maybe"),
    "302": Wrong(
        answer=_say(302, PAGE, HTML | {"location": f"https://example.com/{SECRET}"}), kind=None
    ),
    "400-text": Wrong(answer=_say(400, SECRET.encode(), HTML), kind=None),
    "400-error": Wrong(
        answer=_say(400, json.dumps({"error": SECRET, "errors": [SECRET]}).encode()), kind=None
    ),
    "401-error": Wrong(
        answer=_say(401, json.dumps({"error": {"type": SECRET}}).encode()), kind=None
    ),
    "403-error": Wrong(answer=_say(403, json.dumps({"errors": [SECRET]}).encode()), kind=None),
}
LINES: Mapping[str, Kind | None] = {
    "reset": Kind.PROVIDER_UNREACHABLE,
    "silent": Kind.TIMED_OUT,
    "slow": Kind.TIMED_OUT,
    "cut": Kind.PROVIDER_UNREACHABLE,
    "long": Kind.PROVIDER_REFUSED,
}
# Where a token comes of it all the same, its end is the true one or an earlier one.
CHANGES: Mapping[str, Fault] = {
    "cut short": _cut_short,
    "type": _other_type,
    "no end": _end(...),
    "end is null": _end(None),
    "end is text": _end(SECRET),
    "end is empty": _end(""),
    "end is zero": _end(0),
    "end is negative": _end(-5),
    "end is huge": _end(10**18),
    "end is huge text": _end("9" * 18),
    "end is a fraction": _end(1e300),
    "end is not a number": _end(float("nan")),
    "end is true": _end(True),
    "end is a list": _end([1]),
    "end is long past": _end("2001-01-01T00:00:00Z"),
    "end is far": _end("9999-01-01T00:00:00Z"),
    "texts have two lines": _changed(
        lambda _, old: f"{SECRET}\n{SECRET}" if isinstance(old, str) else old
    ),
    "texts are not ASCII": _changed(lambda _, old: f"{old}…" if isinstance(old, str) else old),
    "texts are empty": _changed(lambda _, old: "" if isinstance(old, str) else old),
    "texts are numbers": _changed(lambda _, old: 5 if isinstance(old, str) else old),
    "all is null": _changed(lambda _, _old: None),
}


def _says_none(request: HttpRequest, name: str) -> bool:
    """Tell whether that is how an answer says that there is no end: Vault's tokens without one."""
    return name == "end is zero" and "/v1/auth/" in request.url


def _run(mint: Mint, where: str) -> BrokerError | None:
    try:
        mint.run()
    except BrokerError as failure:
        check_failure(failure, where)
        return failure
    return None


def _failure(mint: Mint, where: str) -> BrokerError:
    failure = _run(mint, where)
    assert failure is not None, f"{where}: a token came of it"
    return failure


def _may_do_without(request: HttpRequest) -> bool:
    """Tell whether a mint may go on without the answer: Vault's renewals, and where it looks up mounts."""
    return request.url.endswith("/renew-self") or "/sys/internal/ui/mounts/" in request.url


def _ways() -> list[Any]:
    """Return all ways as parameters; but for the first of each provider they are slow."""
    first = {name.partition("-")[0]: name for name in reversed(WAYS)}
    return quick(*first.values(), among=WAYS)


@pytest.fixture(params=_ways())
def way(request: pytest.FixtureRequest, far: Far) -> Callable[[], Any]:
    """Return what makes the way anew: some of what is presented counts once."""
    return lambda: WAYS[request.param](far)


def steps(far: Far, way: Callable[[], Any]) -> tuple[Mint, Token]:
    """Mint truly; return what was sent and answered, and the token."""
    mint = Mint(far, way())
    token = mint.run()
    assert token.secret.reveal().isprintable()
    return mint, token


def test_every_provider_has_ways() -> None:
    """But for those that ask nobody."""
    asking = {point.name for point in provider_entry_points()} - NO_REQUESTS
    assert {name.partition("-")[0] for name in WAYS} == asking


def test_asks_anew_each_time_and_never_sleeps(
    far: Far, way: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cache, not even in a provider that has minted before; no wait and no thread of its own."""
    slept = []
    sleep = time.sleep
    here = threading.get_ident()

    def note(seconds: float) -> None:
        if threading.get_ident() == here:
            slept.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", note)
    first = way()
    provider = load_provider(first.provider)
    mints = [Mint(far, first), Mint(far, way())]
    tokens = [mint.run(provider) for mint in mints]

    assert slept == []
    urls = [[(each.method, each.url) for each in mint.sent] for mint in mints]
    assert urls[0] == urls[1] != []
    for token in tokens:
        assert token.expires_at is None or token.expires_at > time.time()


def test_t6_wrong_answers(far: Far, way: Callable[[], Any]) -> None:
    """A failure of the right kind, after one attempt: nothing is asked again."""
    true, _ = steps(far, way)
    for at, request in enumerate(true.sent, 1):
        for name, wrong in ANSWERS.items():
            where = f"{name} to request {at} ({request!r})"
            mint = Mint(far, way(), at=at, fault=wrong.answer)
            if _may_do_without(request) and wrong.kind is None:
                _run(mint, where)
                continue
            error = _failure(mint, where)
            if wrong.kind is not None:
                assert (error.kind, error.failure.retry_after) == (wrong.kind, wrong.retry_after), (
                    where
                )
                assert len(mint.sent) == at, where
            if wrong.sent == "no" or (wrong.sent == "maybe" and request.method == "POST"):
                assert error.failure.sent == wrong.sent, f"{where}: {error.message}"
            again = [each for each in mint.sent[at:] if each.url == request.url]
            assert again == [], where


def test_t6_broken_connections(
    far: Far, way: Callable[[], Any], line: Callable[[str], Fault]
) -> None:
    """Whoever was asked may have acted; it is not asked again."""
    true, _ = steps(far, way)
    for at, request in enumerate(true.sent, 1):
        for name, kind in LINES.items():
            where = f"{name} at request {at} ({request!r})"
            mint = Mint(far, way(), at=at, fault=line(name))
            error = _failure(mint, where)
            assert error.kind is kind, where
            assert len(mint.sent) == at, where
            if request.method == "POST":
                assert error.failure.sent == "maybe", f"{where}: {error.message}"


def test_t6_t7_an_end_is_never_invented(far: Far, way: Callable[[], Any]) -> None:
    """What is absent or absurd is a failure, or does not matter to the end that is told."""
    minted, true = steps(far, way)
    for at, (request, answer) in enumerate(zip(minted.sent, minted.answers, strict=True), 1):
        for name, fault in CHANGES.items():
            if fault(request, functools.partial(_same, answer)) == answer:
                # It gives no expiry, say.
                continue
            where = f"{name} in answer {at} ({request!r})"
            try:
                token = Mint(far, way(), at=at, fault=fault).run()
            except BrokerError as failure:
                check_failure(failure, where)
                continue
            text = token.secret.reveal()
            assert text.isascii(), where
            assert text.isprintable(), where
            assert text, where
            if token.expires_at is None:
                assert true.expires_at is None or _says_none(request, name), where
            else:
                assert true.expires_at is not None, where
                assert time.time() < token.expires_at < true.expires_at + 60, where
