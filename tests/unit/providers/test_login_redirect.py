"""Who is heard at the loopback address of a login, and who is not."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from credward.providers import login_redirect
from credward.providers.login_redirect import RedirectListener, read_redirect, state_of
from waiting import PATIENCE

STATE = "s-1"


@dataclass
class World:
    """A listener that waits in a thread of its own."""

    port: int
    link: int
    thread: threading.Thread | None = None
    strangers: list[None] = field(default_factory=list)
    found: list[Mapping[str, str] | None] = field(default_factory=list)

    def ask(self, target: str, *, host: str | None = None, method: str = "GET") -> str:
        """Return what a browser is answered."""
        with self.connect() as browser:
            browser.sendall(
                f"{method} {target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{self.port}'}\r\n\r\n".encode()
            )
            return _all(browser)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def end(self) -> Mapping[str, str] | None:
        """Return what was waited for."""
        assert self.thread is not None
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.found[0]


@pytest.fixture
def world() -> Iterator[World]:
    listener = socket.create_server(("127.0.0.1", 0))
    reading, writing = os.pipe()
    world = World(listener.getsockname()[1], writing)
    redirects = RedirectListener(
        listener,
        path="/callback",
        state=STATE,
        elapsed=time.monotonic,
        on_stranger=lambda: world.strangers.append(None),
    )

    def wait() -> None:
        landed = redirects.wait(reading)
        world.found.append(None if landed is None else landed.query)
        if landed is not None:
            landed.answer(b"HTTP/1.1 200 OK\r\n\r\n")

    with closing(redirects):
        world.thread = threading.Thread(target=wait)
        world.thread.start()
        yield world
        os.close(writing)
        world.thread.join(PATIENCE)
    os.close(reading)


def _all(browser: socket.socket) -> str:
    said = b""
    while part := browser.recv(4096):
        said += part
    return said.decode()


def test_the_redirect(world: World) -> None:
    """The one with the state of this login."""
    assert world.ask(f"/callback?code=c-1&state={STATE}").startswith("HTTP/1.1 200 ")
    assert world.end() == {"code": "c-1", "state": STATE}


def test_a_refusal(world: World) -> None:
    """An error counts as an answer if it is this login's."""
    world.ask(f"/callback?error=access_denied&state={STATE}")
    assert world.end() == {"error": "access_denied", "state": STATE}


@pytest.mark.parametrize(
    "query",
    [
        "code=evil",
        "error=x",
        "code=evil&state=other",
        f"code=evil&code=c-1&state={STATE}",
        f"code=evil&state=other&state={STATE}",
    ],
)
def test_another_logins_redirect(world: World, query: str) -> None:
    """Any page of any browser can send one: the login goes on, and its user hears it once."""
    for _ in range(3):
        assert world.ask(f"/callback?{query}").startswith("HTTP/1.1 400 ")
    assert world.strangers == [None]
    world.ask(f"/callback?code=c-1&state={STATE}")
    assert world.end() == {"code": "c-1", "state": STATE}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{}", "127.0.0.1.evil.example:{}", "[x"]
)
def test_another_name_for_this_machine(world: World, host: str) -> None:
    """A page whose name was made to point here (DNS rebinding) gets nowhere, with the right state."""
    target = f"/callback?code=c-1&state={STATE}"
    assert world.ask(target, host=host.format(world.port)).startswith("HTTP/1.1 400 ")
    assert not world.found


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS"])
def test_other_methods(world: World, method: str) -> None:
    """A redirect is a GET; no other origin is allowed anything (CORS)."""
    said = world.ask(f"/callback?code=c-1&state={STATE}", method=method)
    assert said.startswith("HTTP/1.1 400 ")
    assert "access-control" not in said.lower()
    assert not world.found


def test_nothing_is_reflected(world: World) -> None:
    """No word of the address gets into a page."""
    script = "%3Cscript%3Ealert(1)%3C/script%3E"
    for target in (
        f"/{script}",
        f"/callback?error={script}&error_description={script}&state={STATE}",
    ):
        assert "alert" not in world.ask(target)


def test_slow_visitors_hold_nobody_up(world: World) -> None:
    """Connections that say nothing, or a byte now and then, while the browser comes."""
    silent = [world.connect() for _ in range(30)]
    dripping = world.connect()
    dripping.sendall(b"GET /callb")
    begun = time.monotonic()
    world.ask(f"/callback?code=c-1&state={STATE}")
    assert world.end() == {"code": "c-1", "state": STATE}
    assert time.monotonic() - begun < login_redirect._PATIENCE
    for each in (*silent, dripping):
        each.close()


def test_slow_visitors_are_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that says a byte now and then: the time is for the whole head."""
    monkeypatch.setattr(login_redirect, "_PATIENCE", 0.2)
    with world.connect() as dripping:
        with pytest.raises(OSError):
            for _ in range(2000):
                dripping.sendall(b"G")
                time.sleep(0.01)


def test_a_head_without_an_end(world: World) -> None:
    """Is cut off; the browser still gets through."""
    with world.connect() as flooding, pytest.raises(OSError):
        for _ in range(1000):
            flooding.sendall(b"GET /callback?code=" + b"x" * 4096)
    world.ask(f"/callback?code=c-1&state={STATE}")
    assert world.end() == {"code": "c-1", "state": STATE}


def test_the_link_ends_the_wait(world: World) -> None:
    """What the daemon says is not kept waiting."""
    os.write(world.link, b"x")
    assert world.end() is None


def test_words() -> None:
    """The state is what the login's own address carries; without one nothing can be compared."""
    assert state_of("https://a.example/authorize?x=y&state=s%201") == "s 1"
    assert state_of("https://a.example/authorize") is None
    assert read_redirect("code=c", None) == {"code": "c"}
    assert read_redirect("code=c", "") is None
    assert read_redirect("x=y", None) is None
