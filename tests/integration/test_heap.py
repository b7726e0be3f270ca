"""H4: what is left of secrets in the daemon's memory after a lock, a revoke, a logout and an expiry.

Read through /proc/PID/mem, which takes CAP_SYS_PTRACE: the daemon cannot be looked into otherwise (H1).
"""

from __future__ import annotations

import base64
import ctypes
import json
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from credward.clock import SystemClock
from credward.store.kek import KeyFileSource
from credward.store.store import Store
from fakes.oauth_server import Answer, OAuthServer
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from integration.minting import MintProgram
from marks import slow
from memory_scan import count_in_memory, private_kib

_PATIENCE = 60.0
# Short ones lie in Python's own blocks, long ones in those of the C library.
SIZES = (24, 60, 200, 450, 700, 1500, 6000)


def copies(pid: int, needle: bytes) -> int:
    """Count a secret in the writable memory of a process, by its second half: freeing a block spoils the first."""
    return count_in_memory(pid, needle[len(needle) // 2 :])


def left(daemon: RunningDaemon, needles: dict[str, bytes]) -> dict[str, int]:
    """Return which of the secrets are found, and how often."""
    counted = {name: copies(daemon.pid, needle) for name, needle in needles.items()}
    return {name: count for name, count in counted.items() if count}


def gone(daemon: RunningDaemon, needles: dict[str, bytes]) -> dict[str, int]:
    """Wait until none is found, a few seconds: freed memory is overwritten a moment later."""
    deadline = time.monotonic() + _PATIENCE
    while (found := left(daemon, needles)) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


class Bench:
    """A daemon with a grant, stored secrets and tokens of several sizes, all handed out in each shape."""

    def __init__(self, start: DaemonFactory, tmp_path: Path, server: OAuthServer) -> None:
        self.server = server
        text = (
            permit_all(tmp_path)
            + f'[credentials.login]\nprovider = "oauth"\nissuer = "{server.issuer}"\n'
            'client_id = "client-1"\nscope = "openid offline_access"\npersist = true\n'
        )
        self.programs = {}
        for size in SIZES:
            program = self.programs[size] = MintProgram(tmp_path / f"upstream-{size}")
            text += program.block(f"minted-{size}", persist="true", timeout=60)
            text += f'[credentials.stored-{size}]\nprovider = "static"\nsecret = {{ store = "s{size}" }}\n'
        self.daemon = start(text)
        self.needles: dict[str, bytes] = {}

    def use(self, lifetime: float = 3600) -> None:
        """Hand secrets in and tokens out."""
        grant = self.server.grant()
        self.ask("POST", "/v1/grants/login/grant", {"grant": grant})
        self.needles["grant handed over"] = grant.encode()
        for size in SIZES:
            stored = secrets.token_urlsafe(size)[:size]
            self.ask("PUT", f"/v1/secrets/s{size}", {"value": stored})
            self.needles[f"stored {size}"] = stored.encode()
            minted = secrets.token_urlsafe(size)[:size]
            self.programs[size].set(
                raw=json.dumps(
                    {"version": 1, "token": minted, "expires_at": time.time() + lifetime}
                )
            )
            self.needles[f"minted {size}"] = minted.encode()
        for name in (
            "login",
            *(f"{kind}-{size}" for kind in ("minted", "stored") for size in SIZES),
        ):
            for shape in ("token", "json", "headers", "env"):
                answer = self.daemon.get(name, shape, timeout=60)
                assert answer.status == 200, answer.text
        self.needles["token"] = self.daemon.get("login").text.encode()
        self.needles["grant rotated"] = self.server.families[-1].current.encode()

    def ask(self, verb: str, path: str, body: dict[str, str] | None = None) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        assert self.daemon.request(verb, path, body=raw).status in {200, 204}

    def key(self) -> bytes:
        """Return the key of the store, read as the daemon does."""
        folder = self.daemon.home / ".config/credward"
        store = Store.open(
            self.daemon.state_dir / "store.sealed",
            KeyFileSource(folder / "store.key"),
            clock=SystemClock(),
        )
        assert store._kek is not None
        return bytes(store._kek)


@pytest.fixture
def bench(start_daemon: DaemonFactory, tmp_path: Path) -> Callable[[OAuthServer], Bench]:
    def make(server: OAuthServer) -> Bench:
        bench = Bench(start_daemon, tmp_path, server)
        try:
            copies(bench.daemon.pid, b"anything")
        except PermissionError:
            pytest.skip("the daemon cannot be looked into, not even by the tests (H1)")
        return bench

    return make


pytestmark = [
    # A fork has what the process had in its memory from which it was forked.
    pytest.mark.cold,
    pytest.mark.skipif(
        sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
        reason="reads /proc/PID/mem of a process whose C library overwrites what is freed (glibc)",
    ),
]


def test_h4_after_a_lock_no_secret_is_left(bench: Callable[[OAuthServer], Bench]) -> None:
    """Neither tokens nor grants, nor what was handed in, the passphrase and the store's key among it."""
    with OAuthServer() as server:
        one = bench(server)
        one.use()
        key = one.key()
        assert copies(one.daemon.pid, key) >= 1, "the scan sees what there is"
        one.needles["store key"] = key
        key_file = one.daemon.home / ".config/credward/store.key"
        one.needles["key file"] = base64.b64decode(key_file.read_text())
        passphrase = secrets.token_urlsafe(30)
        one.needles["passphrase"] = passphrase.encode()
        one.ask("POST", "/v1/lock", {"passphrase": passphrase})
        assert gone(one.daemon, one.needles) == {}

        wrong = secrets.token_urlsafe(30)
        one.needles["wrong passphrase"] = wrong.encode()
        refused = one.daemon.request(
            "POST", "/v1/unlock", body=json.dumps({"passphrase": wrong}).encode()
        )
        assert refused.kind == "denied"
        one.ask("POST", "/v1/unlock", {"passphrase": passphrase})
        assert copies(one.daemon.pid, key) >= 1
        assert one.daemon.get("login").status == 200
        one.ask("POST", "/v1/lock", {"passphrase": passphrase})
        assert gone(one.daemon, one.needles) == {}


@pytest.mark.slow
def test_h4_a_lock_sends_idle_workers_home(bench: Callable[[OAuthServer], Bench]) -> None:
    """They hold what they minted with, in libraries that nobody can wipe."""
    with OAuthServer() as server:
        one = bench(server)
        one.use()
        children = Path(f"/proc/{one.daemon.pid}/task/{one.daemon.pid}/children")
        workers = children.read_text().split()
        one.ask("POST", "/v1/lock", {"passphrase": secrets.token_urlsafe(30)})
        deadline = time.monotonic() + _PATIENCE
        while children.read_text().split() and time.monotonic() < deadline:
            time.sleep(0.1)

    assert workers
    assert children.read_text() == ""


@pytest.mark.parametrize("path", ["/v1/revoke-all", *slow("/v1/grants/login/logout")])
def test_h4_after_a_revoke_no_grant_is_left(
    bench: Callable[[OAuthServer], Bench], path: str
) -> None:
    """Nor its tokens; with revoke-all nor those of anybody."""
    with OAuthServer() as server:
        one = bench(server)
        one.use()
        one.ask("POST", path)
        needles = one.needles
        if path != "/v1/revoke-all":
            needles = {
                name: each for name, each in needles.items() if name.startswith(("grant", "token"))
            }
        assert gone(one.daemon, needles) == {}


@pytest.mark.slow
def test_h4_after_its_end_no_token_is_left(bench: Callable[[OAuthServer], Bench]) -> None:
    """Expired and not asked for again."""
    with OAuthServer() as server:
        one = bench(server)
        one.use(lifetime=8)
        for program in one.programs.values():
            program.set(raw=None, exit=1)
        needles = {name: each for name, each in one.needles.items() if name.startswith("minted")}
        deadline = time.monotonic() + _PATIENCE
        while any(one.daemon.status(f"minted-{size}")["token_id"] for size in SIZES):
            assert time.monotonic() < deadline
            time.sleep(0.3)
        assert gone(one.daemon, needles) == {}


@pytest.mark.slow
def test_s12_a_parked_credential_that_is_asked_for_in_a_loop_costs_no_memory(
    bench: Callable[[OAuthServer], Bench],
) -> None:
    """S-12: what is kept of a failure is a value; an exception would grow by every frame that it passes."""
    with OAuthServer() as server:
        one = bench(server)
        # Refused when it is tried, and parked from then on.
        one.daemon.hand_over("login", "used up")
        assert one.daemon.get("login").kind == "login-required"

        def ask(times: int) -> int:
            for _ in range(times):
                assert one.daemon.get("login").kind == "login-required"
            return private_kib(one.daemon.pid)

        before = ask(500)
        grown = ask(2000) - before

    assert grown < 2048


@pytest.mark.slow
def test_s12_nothing_of_a_failed_mint_or_a_refused_secret_stays_in_memory(
    bench: Callable[[OAuthServer], Bench],
) -> None:
    """S-12: a refresh token goes with its logout though its mint failed, and what is refused is not kept."""
    with OAuthServer() as server:
        one = bench(server)
        needles = {}
        for case, answer in {
            "answered": Answer(status=503, body=b"busy"),
            "reset": Answer(reset=True),
            "refused": Answer(status=400, body=b'{"error": "invalid_grant"}'),
        }.items():
            grant = server.grant()
            needles[f"grant {case}"] = grant.encode()
            server.script += [answer] * 9
            # It is tried at once, and that fails.
            one.daemon.hand_over("login", grant)
            for _ in range(3):
                assert one.daemon.get("login", timeout=5).status >= 400
            one.ask("POST", "/v1/grants/login/logout")
            server.script.clear()
        for case, body in {
            "too long": {"value": (long := secrets.token_urlsafe(40)) * 800},
            "of another kind": {"value": [kind := secrets.token_urlsafe(40)]},
        }.items():
            refused = one.daemon.request("PUT", "/v1/secrets/s24", body=json.dumps(body).encode())
            assert refused.kind == "bad-request"
            needles[f"secret {case}"] = (long if case == "too long" else kind).encode()
        assert gone(one.daemon, needles) == {}
