"""An identity provider that gives a new grant for each one that is presented, and remembers all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Literal, Self

from fakes.http_server import Handler, HttpServer

# keep: the same grant stays good. cut before, cut after: no answer; nothing done, or all of it.
Deed = Literal["rotate", "keep", "refuse", "busy", "cut before", "cut after"]


class RotatingServer:
    """*presented*: every grant that came, in order; *reused*: those that were used up already.

    A grant that was used up is refused, whatever the *script* says; it holds what is to be done
    with the next requests, and rotates when it is empty. *meanwhile* is called, in a thread of its
    own, when a request has come and before it is answered.
    """

    def __init__(self, first: str = "grant-0") -> None:
        self.current = first
        self.presented: list[str] = []
        self.reused: list[str] = []
        self.script: list[Deed] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.count = 0
        self._lock = threading.Lock()
        owner = self

        class Answering(Handler):
            # A connection for each: one that is cut off answers nothing else.
            protocol_version = "HTTP/1.0"

            def do_POST(self) -> None:
                owner.handle(self, self.body().decode())

        self._http = HttpServer(Answering)
        self.url = f"{self._http.url}/token"

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def handle(self, http: Handler, grant: str) -> None:
        with self._lock:
            self.presented.append(grant)
            deed = self.script.pop(0) if self.script else "rotate"
        self.meanwhile()
        with self._lock:
            answer = self._answer(deed, grant)
        if deed.startswith("cut"):
            http.close_connection = True
            http.connection.shutdown(socket.SHUT_RDWR)
            return
        status, body = answer
        http.reply(status, body)

    def _answer(self, deed: Deed, grant: str) -> tuple[int, bytes]:
        if deed in {"busy", "cut before"}:
            return 503, b""
        if grant not in {self.current, "first"} or deed == "refuse":
            self.reused += [] if deed == "refuse" else [grant]
            return 401, b""
        self.count += 1
        token, fresh = f"token-{self.count}", None
        if deed != "keep":
            fresh = self.current = f"grant-{self.count}"
        return 200, json.dumps({"token": token, "grant": fresh}).encode()
