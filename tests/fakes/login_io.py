"""The user of a login, and the browser: `LoginIo` over a real transport, with somebody who plays the user."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import urllib3

from fakes.io import FakeIo


@dataclass(slots=True, kw_only=True)
class FakeLoginIo(FakeIo):
    """Waiting takes no time but counts; *user* is given a URL and returns the one that it ends at."""

    user: Callable[[str], str] | None = None
    # Is called at each wait, to act elsewhere meanwhile.
    meanwhile: Callable[[], None] | None = None
    answers: dict[str, str] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    codes: list[tuple[str, str, str | None]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def open_url(self, url: str) -> None:
        self.opened.append(url)

    def show_code(self, *, user_code: str, url: str, complete_url: str | None) -> None:
        self.codes.append((user_code, url, complete_url))

    def prompt(self, field: str, label: str, *, secret: bool = False) -> str:
        return self.answers[field]

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds
        if self.meanwhile is not None:
            self.meanwhile()

    def receive_redirect(
        self,
        make_url: Callable[[str], str],
        *,
        path: str = "/callback",
        host: str = "127.0.0.1",
        ports: Sequence[int] = (0,),
    ) -> Mapping[str, str]:
        assert self.user is not None, "no browser was expected"
        redirect_uri = f"http://{host}:{ports[0] or free_port()}{path}"
        url = make_url(redirect_uri)
        self.opened.append(url)
        end = self.user(url)
        assert end.startswith(redirect_uri + "?"), end
        return dict(parse_qsl(urlsplit(end).query))


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def follow_once(url: str) -> str:
    """Play the user of a server that asks nothing: return where it redirects to."""
    response = urllib3.request("GET", url, redirect=False, retries=False)
    return response.headers["Location"]
