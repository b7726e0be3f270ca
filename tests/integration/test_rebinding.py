"""N6: a web page whose name comes to mean this machine, in a real browser."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fakes.ports import kept_port
from fakes.watching import listening_at
from integration import chromium
from integration.chromium import Chromium
from integration.daemon import DaemonFactory
from integration.endpoints import CLIENTS, Client, block, endpoints, keys
from integration.minting import MintProgram
from waiting import until

NAME = "attacker.example"
# What a client may call Google's server, and what whoever answers for names may lead here.
NAMES = (NAME, "metadata.google.internal")
# Asks its own origin for what a client would ask for, again and again, and keeps what it is told.
PAGE = """<!doctype html><title>attack</title><meta name=referrer content=no-referrer><script>
window.told = [];
setInterval(async () => {
  try {
    const answer = await fetch(PATH, {headers: HEADERS});
    window.told.push([answer.status, await answer.text()]);
  } catch { }
}, 100);
</script>"""


@pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing()))
@pytest.mark.parametrize(
    ("client", "name"),
    [*((each, NAME) for each in CLIENTS.values()), *((CLIENTS["gce"], each) for each in NAMES[1:])],
    ids=[*CLIENTS, *NAMES[1:]],
)
def test_n6_a_page_gets_nothing_although_its_name_means_this_machine(
    start_daemon: DaemonFactory, program: MintProgram, client: Client, name: str
) -> None:
    """N6: even one that knows the secret of the endpoint; it asks its own origin, so it says none."""
    given = keys(program) if client.kind == "aws" else program.block("given")
    with kept_port() as port, Chromium(f"--host-resolver-rules=MAP {name} 127.0.0.1") as browser:
        daemon = start_daemon(given)
        with attack(port) as server:
            daemon.write_config(given + block(client.door, "given", port=port))
            daemon.send(signal.SIGHUP)
            # It was tried, and the port is the attacker's; a secret was made before.
            until(lambda: any(each["failure"] for each in endpoints(daemon).values()))
            headers = dict(client.headers)
            if client.secret_in:
                secret = daemon.state_dir / "endpoints" / f"{client.door}-{port}.token"
                headers[client.secret_in] = client.scheme + secret.read_text()
            server.page = PAGE.replace("PATH", json.dumps(client.path)).replace(
                "HEADERS", json.dumps(headers)
            )
            browser.open(f"http://{name}:{port}/attack")
            until(lambda: browser.evaluate("document.title") == "attack")
        daemon.send(signal.SIGHUP)
        until(lambda: listening_at(port))
        until(lambda: len(answers(browser)) >= 3)
        told = answers(browser)
    assert {status for status, _ in told} == {403}
    assert all("the Host header names another server" in text for _, text in told)
    assert program.mints == 0


def answers(browser: Chromium) -> list[tuple[int, str]]:
    """Return what the page was told by whoever served its origin, but for the attacker."""
    told = json.loads(browser.evaluate("JSON.stringify(window.told || [])") or "[]")
    return [(status, text) for status, text in told if text != Attacker.REFUSAL]


class Attacker(HTTPServer):
    """Serves its page at /attack, and nothing elsewhere."""

    REFUSAL = "not yet"
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        self.page = ""
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One answer for each connection, so that none stays open when the name changes hands."""

    server: Attacker

    def do_GET(self) -> None:
        page = self.path == "/attack"
        body = (self.server.page if page else Attacker.REFUSAL).encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def attack(port: int) -> Iterator[Attacker]:
    """Serve at *port* until the end of the block."""
    with Attacker(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
