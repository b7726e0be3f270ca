"""A loopback Amazon Bedrock for Claude Code: streams one short answer to whoever shows accepted keys.

Keys sign (signatures are not computed, moto does that), or a key of the Bedrock API is the bearer. Which are
refused is decided per test.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fakes.claude_answers import amazon_stream, message
from fakes.http_server import Handler, Service
from fakes.messages_api import Seen

__all__ = ["Bedrock"]

_SIGNED_BY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/")
# What Amazon says of keys whose session has ended, and to a bearer.
_REFUSALS = {
    403: ("ExpiredTokenException", "The security token included in the request is expired"),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid"),
}


@dataclass(slots=True)
class Bedrock(Service):
    """*refuse* gets an access key id, or a bearer."""

    refuse: Callable[[str], bool] = lambda _token: False
    refuse_with: int = 403
    # The token is the access key id of the signature.
    seen: list[Seen] = field(default_factory=list)
    # With these, a request that names no session token is noticed.
    sessions: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answering(self) -> type[Handler]:
        bedrock = self

        class Answering(Handler):
            def do_GET(self) -> None:
                self.reply(404, b"{}", {"Content-Type": "application/json"})

            def do_POST(self) -> None:
                self.body()
                session = self.headers.get("X-Amz-Security-Token", "")
                status = bedrock.judge(self.headers.get("Authorization", ""), session, self.path)
                if status != 200:
                    kind, text = _REFUSALS[status]
                    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": kind}
                    self.reply(status, json.dumps({"message": text}).encode(), headers)
                elif self.path.endswith("/invoke-with-response-stream"):
                    headers = {"Content-Type": "application/vnd.amazon.eventstream"}
                    self.reply(200, amazon_stream(), headers)
                else:
                    headers = {"Content-Type": "application/json"}
                    self.reply(200, json.dumps(message()).encode(), headers)

        return Answering

    def judge(self, authorization: str, session: str, path: str) -> int:
        """Write the request down and return the status it gets."""
        signed = _SIGNED_BY.match(authorization)
        token = signed[1] if signed else authorization.removeprefix("Bearer ")
        with self._lock:
            status = self.refuse_with if not token or self.refuse(token) else 200
            self.seen.append(Seen(time.time(), status, None, token, path))
            self.sessions.append(session)
            return status
