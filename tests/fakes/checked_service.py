"""One service behind every client, which takes only what it is told to take.

Answers what Amazon's STS, a model at a cloud, and a plain API say to a request; whether it shows the
right credential is checked in full, signatures too.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fakes.http_server import Handler, Service
from fakes.sigv4 import AwsKeys, signed

__all__ = ["CheckedService", "Shown"]

_IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/a/b</Arn><UserId>A:b</UserId>
<Account>123456789012</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
_MESSAGE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-test",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 1},
}
_KEY = re.compile(r"Credential=([^/]+)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A request: the header with the credential (lower case), what it showed, what was answered."""

    header: str
    credential: str
    status: int


@dataclass(slots=True)
class CheckedService(Service):
    """*takes* says whether a bearer or a key is good now.

    *keys* says which keys and session token are behind an access key id that is good.
    """

    takes: Callable[[str], bool] = lambda _token: False
    keys: Callable[[str], tuple[AwsKeys, str] | None] = lambda _key: None
    seen: list[Shown] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answering(self) -> type[Handler]:
        service = self

        class Answering(Handler):
            def do_POST(self) -> None:
                raw = self.body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                shown = service.check(self.path, headers, raw)
                with service._lock:
                    service.seen.append(shown)
                if shown.status != 200:
                    said: Any = {"type": "error", "error": {"type": "a", "message": "refused"}}
                    self.reply(
                        shown.status,
                        json.dumps(said).encode(),
                        {"Content-Type": "application/json"},
                    )
                elif b"Action=GetCallerIdentity" in raw:
                    self.reply(200, _IDENTITY, {"Content-Type": "text/xml"})
                else:
                    said = _MESSAGE if raw else {"projectId": "project"}
                    self.reply(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

            do_GET = do_POST  # noqa: N815 - the names are the standard library's

        return Answering

    def check(self, path: str, headers: Mapping[str, str], raw: bytes) -> Shown:
        """Return what this request shows, and whether it is taken."""
        given = headers.get("authorization", "")
        if given.startswith("AWS4-HMAC-SHA256 "):
            return self._check_signature(path, headers, raw)
        for header in ("api-key", "x-api-key", "authorization"):
            token = headers.get(header, "").removeprefix("Bearer ")
            if token:
                status = 200 if self.takes(token) else 401
                return Shown(header=header, credential=token, status=status)
        return Shown(header="", credential="", status=401)

    def _check_signature(self, path: str, headers: Mapping[str, str], raw: bytes) -> Shown:
        given = headers["authorization"]
        service = "sts" if b"Action=GetCallerIdentity" in raw else "bedrock"
        named = _KEY.search(given)
        key = named[1] if named else ""
        good = False
        if (found := self.keys(key)) is not None:
            keys, session = found
            good = given == signed(keys, service, path, headers, raw)
            good = good and headers.get("x-amz-security-token") == session
        return Shown(header="authorization", credential=key, status=200 if good else 403)
