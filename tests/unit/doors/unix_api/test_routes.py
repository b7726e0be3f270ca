"""Verbs and paths, asked over a real socket from a service that remembers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from credward import wire
from credward.audit import AuditPage
from credward.config import CredentialConfig
from credward.doors.unix_api.inputs import is_plain
from credward.doors.unix_api.routes import ROUTES, Services, build_handler
from credward.errors import BrokerError, Kind
from credward.folder import MEDIA_TYPE, Record
from credward.http.messages import Handler
from credward.issuing.issuer import Refreshed, Report
from credward.issuing.released import Released
from credward.lifecycle.vocabulary import Reason
from credward.minting.driver import Answer
from credward.minting.token_cache import Held
from credward.settings.local import Settings
from credward.tokens import Folder, SettingsFile, TokenRequest
from fakes.clock import FakeClock
from fakes.folder_body import encode
from unit.http.doors import open_door, status_of


def released(
    text: str = "token", *, expires_at: float | None = 2000.9, short: bool = False
) -> Released:
    """Return a token of the credential `gateway` on its way out; *opened* has what it gave."""
    held = Held(
        sealed=b"",
        token_id="0123456789abcdef",
        kind="bearer",
        issued_at=1000.9,
        expires_at=expires_at,
        audience=None,
        upstream_id=None,
        warning=None,
        minted_at=1000.9,
    )
    credential = CredentialConfig(
        name="gateway", provider="local", settings=Settings(), epoch="e", grant="g"
    )

    def unseal(_: Held) -> bytearray:
        opened.append(bytearray(text.encode()))
        return opened[-1]

    return Released(credential, Answer(held, short=short), unseal)


# What was opened since the test began.
opened: list[bytearray] = []


@pytest.fixture(autouse=True)
def nothing_opened() -> None:
    opened.clear()


class Service:
    """A daemon that answers what it was told to and writes down what it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def issue(self, peer, token_request, deadline):
        self.asked.append(token_request)
        self.seconds = deadline - asyncio.get_running_loop().time()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if self.answer is not None else released()

    async def issue_all(self, peer, token_requests, deadline):
        return [self.issue(peer, each, deadline) for each in token_requests]

    async def refresh(self, peer, token_request, deadline):
        self.asked.append(token_request)
        self.seconds = deadline - asyncio.get_running_loop().time()
        return Refreshed(token_request.credential, released().held)

    async def report(self, peer, credential, report):
        self.asked.append((credential, report))

    async def statuses(self, peer):
        return wire.StatusList(
            now=1.0, pid=1, credentials=[wire.CredentialStatus(name="a", state="fresh")]
        )

    async def reload(self, peer):
        raise BrokerError(Kind.DENIED, "not for agents")

    def health(self):
        return wire.Health(pid=1)

    def ready(self):
        return wire.Ready(ready=self.answer is None, reasons=[] if self.answer is None else ["no"])

    def metrics(self):
        return "credward_up 1\n"

    async def jwks(self, peer, credential):
        return wire.Jwks(keys=[{"kty": "EC"}])

    async def last_words(self, peer, credential):
        return wire.LastWords(line=f"of {credential}")

    def audit(self, peer, after):
        return AuditPage(lines=json.dumps({"after": after}).encode() + b"\n", end=9)


def handler(service: Any) -> Handler:
    """Return the handler with *service* behind everything."""
    return build_handler(
        Services(
            issuer=service,
            prober=service,
            status=service,
            daemon=service,
            manage=service,
            clock=FakeClock(),
        )
    )


def ask(run, service, target, *, verb="GET", body=b"", headers="") -> tuple[int, dict, bytes]:
    answers = []

    async def main() -> None:
        async with open_door(handler(service)) as door:
            raw = (
                f"{verb} {target} HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n{headers}\r\n"
            )
            answers.append(await door.exchange(raw.encode("latin-1") + body))

    run(main())
    head, _, content = answers[0].partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    return status_of(answers[0]), {name: value for name, _, value in lines}, content


def import_grant(run, service, body, media=MEDIA_TYPE) -> tuple[int, dict, bytes]:
    """Ask for a token with a body, None: of no media type."""
    headers = "" if media is None else f"Content-Type: {media}\r\n"
    target = "/v1/credentials/gateway/token"
    return ask(run, service, target, verb="POST", body=body, headers=headers)


def test_issues_a_token(run):
    """The body in the shape asked for, with its times rounded to whole seconds, and wiped."""
    service = Service(released(short=True))
    status, headers, body = ask(run, service, "/v1/credentials/gateway/token?cache_ttl=300")

    assert (status, body) == (200, b"token\n")
    assert headers == {
        "Content-Type": "text/plain",
        "Content-Length": "6",
        "Credential": "gateway",
        "Token-Id": "0123456789abcdef",
        "Issued-At": "1000",
        "Expires-At": "2000",
        "Cache-Control": "no-store",
        "Lifetime-Short": "true",
        "Connection": "close",
    }
    assert service.asked == [TokenRequest(credential="gateway", format="token", cache_ttl=300.0)]
    assert opened == [bytearray(5)]
    assert 3 < service.seconds <= 4


TARGET = "/v1/credentials/gateway/token?variables=CLAUDECODE"


def request(target: str, *, verb: str = "GET", body: bytes = b"") -> bytes:
    """Return a request as the helper writes it."""
    described = f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{verb} {target} HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n{described}\r\n"
    return head.encode() + body


def test_what_is_asked_again_is_asked_whole(run):
    """The same target by another verb, or with a folder, is another request."""
    service = Service()
    folder = encode([Record(kind="unreadable", name=b"/a")])
    again = request(TARGET)
    by_verb, with_folder = request(TARGET, verb="HEAD"), request(TARGET, verb="POST", body=folder)
    statuses = []

    async def main() -> None:
        async with open_door(handler(service), is_plain=is_plain) as door:
            for each in (again, again, by_verb, with_folder, again):
                statuses.append(status_of(await door.exchange(each)))

    run(main())
    assert statuses == [200, 200, 405, 200, 200]
    assert [each.folder is not None for each in service.asked] == [False, False, True, False]
    assert service.asked[0] == service.asked[1] == service.asked[3]
    assert service.asked[0].variables_told


def test_h4_only_what_was_not_refused_is_remembered(run):
    """A name that does not exist may be a secret in the wrong place; so may a long query."""
    service = Service(BrokerError(Kind.UNKNOWN_CREDENTIAL, "no such credential"))
    api = handler(service)
    known = api.__self__._known_requests
    long = "/v1/credentials/gateway/token?variables=" + ",".join(["A" * 60] * 20)

    async def main() -> None:
        async with open_door(api, is_plain=is_plain) as door:
            for target in (TARGET, long):
                assert status_of(await door.exchange(request(target))) == 404
            service.answer = None
            assert status_of(await door.exchange(request(long))) == 200
            assert (known, door.server.heads._known) == ({}, {})
            assert status_of(await door.exchange(request(TARGET))) == 200
            assert list(known) == [TARGET.encode()]
            assert len(door.server.heads._known) == 1

    run(main())


def test_an_unknown_end_is_absent(run):
    """No Expires-At rather than a guess; POST is the same as GET."""
    service = Service(released(expires_at=None))
    status, headers, _ = ask(run, service, "/v1/credentials/-/json", verb="POST")

    assert status == 200
    assert "Expires-At" not in headers
    assert "Lifetime-Short" not in headers


@pytest.mark.parametrize(
    ("media", "wanted"),
    [
        (MEDIA_TYPE.upper(), 200),
        (f"{MEDIA_TYPE}; charset=utf-8", 200),
        (f"{MEDIA_TYPE.title()} ;a=b", 200),
        (f"{MEDIA_TYPE}s", 400),
        ("application/json", 400),
        (None, 400),
    ],
)
def test_s2_the_media_type_of_a_folder(run, media, wanted):
    """In any case and with parameters it is that; a body of another type is never passed over."""
    service = Service(released())
    status, headers, _ = import_grant(
        run, service, encode([Record(kind="unreadable", name=b"/a")]), media
    )

    assert status == wanted
    if wanted == 200:
        assert headers["Credward-Folder"] == "judged"
        assert service.asked[0].folder is not None
    else:
        assert service.asked == []


@pytest.mark.parametrize("later", [False, True])
def test_s2_a_folder_is_judged(run, later):
    """What it says goes with the token request, and the answer says that it was looked at."""

    async def mint() -> Released:
        return released()

    service = Service(mint() if later else released())
    content = b'{"env": {"ANTHROPIC_BASE_URL": "https://a.example"}}'
    status, headers, _ = import_grant(
        run, service, encode([Record(kind="file", name=b"/a", content=content)])
    )
    file = SettingsFile(path="/a", variables=(("ANTHROPIC_BASE_URL", "https://a.example"),))

    assert (status, headers["Credward-Folder"]) == (200, "judged")
    assert service.asked == [TokenRequest(credential="gateway", folder=Folder(files=(file,)))]


def test_s2_a_folder_in_another_frame_is_an_error(run):
    """And nothing is asked for."""
    service = Service(released())
    status, headers, _ = import_grant(run, service, b"file 3 a\nab\n")

    assert (status, headers["Credward-Kind"]) == (400, "bad-request")
    assert service.asked == []


def test_waits_for_a_mint(run):
    """An answer that takes time arrives all the same, as a future or as a coroutine."""

    async def later() -> Released:
        await asyncio.sleep(0.01)
        return released()

    assert ask(run, Service(later()), "/v1/credentials/a/token")[0] == 200


def test_a_format_that_does_not_exist_is_asked_of_nobody(run):
    """The answer names those that do."""
    service = Service()
    status, _, body = ask(run, service, "/v1/credentials/a/yaml")

    assert (status, service.asked) == (400, [])
    assert b"one of aws-export, aws-process, env, gcp-executable, headers, json, token" in body


@pytest.mark.parametrize("folder", [False, True])
def test_several_names_are_one_answer(run, folder):
    """Each is asked for in the same way; they have a comma in between, as names have none."""
    service = Service()
    target = "/v1/credentials/a,-,c/headers?timeout=9&min_remaining=7"
    how = {
        "verb": "POST",
        "body": encode([Record(kind="file", name=b"/x/.claude/settings.json", content=b"{}")]),
        "headers": f"Content-Type: {MEDIA_TYPE}\r\n",
    }
    status, headers, body = ask(run, service, target, **(how if folder else {}))

    assert (status, json.loads(body)) == (200, {"Authorization": "Bearer token"})
    assert headers["Credential"] == "gateway,gateway,gateway"
    assert [each.credential for each in service.asked] == ["a", "-", "c"]
    assert {(each.format, each.min_remaining) for each in service.asked} == {("headers", 7.0)}
    assert all((each.folder is not None) == folder for each in service.asked)
    assert ("Credward-Folder" in headers) == folder
    assert 8 < service.seconds <= 9


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("a,b/token", b"is for one credential"),
        ("a,b/yaml", b"no format"),
        (f"{','.join('abcdefghi')}/headers", b"more than 8"),
        ("a,/headers", b"not valid for a credential"),
        ("a,../headers", b"not valid for a credential"),
        ("a,b/jwks", b"not valid for a credential"),
    ],
)
def test_several_where_one_is_meant_are_asked_of_nobody(run, target, words):
    service = Service()
    status, _, body = ask(run, service, f"/v1/credentials/{target}")

    assert (status, service.asked) == (404 if b"valid" in words else 400, [])
    assert words in body


def test_a_token_that_has_no_such_shape_is_an_error(run):
    """And its plain text is wiped all the same."""
    status, _, _ = ask(run, Service(released("two words")), "/v1/credentials/a/token")

    assert status == 502
    assert opened == [bytearray(9)]


def test_a_failure_of_the_service_is_a_problem(run):
    """The kind reaches the client in status, header and body."""
    error = BrokerError(Kind.LOGIN_REQUIRED, '"a" needs a login: run credward login a')
    status, headers, body = ask(run, Service(error), "/v1/credentials/a/token")

    assert status == 401
    assert headers["Credward-Kind"] == "login-required"
    assert json.loads(body)["recovery"] == "reauthorize"


@pytest.mark.parametrize(("query", "seconds"), [("", 30.0), ("?timeout=2", 2.0)])
def test_a_refresh_waits_as_long_as_its_caller(run, query, seconds):
    """Longer than an ask where nothing is said; nothing is handed out."""
    service = Service()
    status, _, body = ask(run, service, f"/v1/credentials/a/refresh{query}", verb="POST")

    assert status == 200
    assert service.asked == [TokenRequest(credential="a", format="-")]
    assert service.seconds == pytest.approx(seconds, abs=1)
    assert json.loads(body)["credential"] == "a"
    assert opened == []


def test_a_refresh_is_of_the_token_that_is_meant(run):
    """A credential has one for each audience, and for each set of scopes."""
    service = Service()
    query = "?audience=https%3A%2F%2Fa&scope=b%20c"
    status, _, _ = ask(run, service, f"/v1/credentials/a/refresh{query}", verb="POST")

    assert status == 200
    assert service.asked == [
        TokenRequest(credential="a", format="-", audience="https://a", scopes=("b", "c"))
    ]


@pytest.mark.parametrize(
    ("body", "report"),
    [
        (b"", Report()),
        (b'{"token_id": "xy", "new": 1}', Report(token_id="xy")),
        (b'{"reason": "revoked"}', Report(reason=Reason.REVOKED)),
        (
            b'{"reason": "quota", "until": 1800000000}',
            Report(reason=Reason.QUOTA, until=1_800_000_000),
        ),
        (b'{"token_id": null, "until": 1.5}', Report(until=1.5)),
        (b'{"reason": "bored"}', None),
        (b'{"until": "tomorrow"}', None),
        (b'{"until": -1}', None),
        (b'{"until": 1e999}', None),
        (b'{"until": NaN}', None),
        (b'{"token_id": "' + b"a" * 257 + b'"}', None),
    ],
)
def test_g9_a_report_is_checked(run, body, report):
    """A reason that is not known, or a time that is none, is an error and never a guess."""
    service = Service()
    status, _, _ = ask(run, service, "/v1/credentials/a/rejected", verb="POST", body=body)

    assert status == (400 if report is None else 202)
    assert service.asked == ([] if report is None else [("a", report)])


@pytest.mark.parametrize(
    ("target", "media", "part"),
    [
        ("/v1/credentials", "application/json", b'"name":"a"'),
        ("/v1/credentials/a/jwks", "application/jwk-set+json", b'{"keys":[{"kty":"EC"}]}'),
        ("/v1/credentials/a/stderr", "application/json", b'{"line":"of a"}'),
        ("/v1/health", "application/json", b'"status":"ok"'),
        ("/v1/ready", "application/json", b'"ready":true'),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", b"credward_up 1\n"),
        ("/v1/audit?after=7", "application/x-ndjson", b'{"after": "7"}\n'),
        ("/v1/openapi.json", "application/json", b'"openapi":"3.1.0"'),
    ],
)
def test_what_can_be_read(run, target, media, part):
    """Each of the reading routes answers in its media type."""
    status, headers, body = ask(run, Service(), target)

    assert (status, headers["Content-Type"]) == (200, media)
    assert part in body


@pytest.mark.parametrize(
    ("accept", "media", "part"),
    [
        ("text/plain", "text/plain; charset=utf-8", b"\na               \x1b[32mfresh\x1b[0m  -"),
        ("application/json, text/plain", "application/json", b'"name":"a"'),
        ("*/*", "application/json", b'"name":"a"'),
    ],
)
def test_the_status_is_text_for_those_that_ask_for_text(run, accept, media, part):
    """RFC 9110, 12.5.1: the same path, by the Accept header."""
    target, accept = "/v1/credentials?colour=1&width=0", f"Accept: {accept}\r\n"
    status, headers, body = ask(run, Service(), target, headers=accept)

    assert (status, headers["Content-Type"]) == (200, media)
    assert part in body


def test_a_look_that_is_wrong_is_refused_before_the_status_is_asked_for(run):
    """In the shape that was asked for."""
    status, headers, body = ask(
        run, None, "/v1/credentials?width=wide", headers="Accept: text/plain\r\n"
    )

    assert (status, headers["Credward-Kind"]) == (400, "bad-request")
    assert body.startswith(b"width is not a number of places")


def test_not_ready_is_503_and_a_denied_reload_403(run):
    """Probes look at the status only."""
    assert ask(run, Service("not"), "/v1/ready")[0] == 503
    assert ask(run, Service(), "/v1/reload", verb="POST")[0] == 403


@pytest.mark.parametrize(
    ("verb", "target", "allow"),
    [
        ("DELETE", "/v1/credentials", "GET"),
        ("PUT", "/v1/credentials/a/token", "GET, POST"),
        ("HEAD", "/v1/credentials/a/token", "GET, POST"),
        ("GET", "/v1/credentials/a/refresh", "POST"),
        ("GET", "/v1/reload", "POST"),
        ("POST", "/v1/credentials/a/jwks", "GET"),
        ("OPTIONS", "/v1/health", "GET"),
        ("PROPFIND", "/metrics", "GET"),
    ],
)
def test_r2_an_unknown_verb_is_a_coded_error(run, verb, target, allow):
    """R2: 405 with the verbs that there are; nothing reaches the service."""
    service = Service()
    status, headers, _ = ask(run, service, target, verb=verb)

    assert (status, headers["Allow"]) == (405, allow)
    assert headers["Credward-Kind"] == "bad-request"
    assert service.asked == []


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1",
        "/v1/credentials/",
        "/v1/credentials/a",
        "/v1/credentials/a/token/more",
        "/v1/credentials/../token",
        "/v1/credentials/../../etc/passwd",
        "/v1/credentials/%2e%2e/token",
        "/v1/credentials/%2e%2e%2fa/token",
        "/v1/credentials/..%2f..%2fetc/token",
        "/v1/credentials/@host/token",
        "/v1/credentials/a%00b/token",
        "/v1/credentials/a%20b/token",
        "/v1/credentials/a/%2e%2e",
        "/v1/credentials/a/../token",
        "/v1/credentials//token",
        "//credward/v1/credentials/a/token",
        "/V1/credentials",
        "/v1/credentials;x=1/a/token",
        "@attacker/v1/credentials/a/token",
        "http://attacker/v1/credentials/a/token",
        "/v1/credentials/a%252ftoken/token",
    ],
)
def test_r10_path_tricks_reach_nobody(run, target):
    """R10: 404 (or 400 for what is no path at all), and the service is never asked."""
    service = Service()
    status, headers, _ = ask(run, service, target)

    assert status in {400, 404}
    assert headers["Credward-Kind"] in {"bad-request", "unknown-credential"}
    assert service.asked == []


def test_one_escape_more_is_the_same_name(run):
    """R10: exactly one decoding, so an escaped letter is that letter."""
    service = Service()

    assert ask(run, service, "/v1/credentials/%67ateway/t%6Fken")[0] == 200
    assert service.asked == [TokenRequest(credential="gateway", format="token")]


def test_the_table_holds_every_verb_and_path_once():
    """What is dispatched is what is described."""
    pairs = [(route.verb, route.path) for route in ROUTES]

    assert len(pairs) == len(set(pairs))
