"""Grants under fire: herds at the moment of expiry, daemons and workers killed, and not one login.

`make chaos` prints what happened in 200 rounds of each kind; `test_chaos` runs a few. The server is the real
oidc-provider, which revokes the whole grant when a refresh token is used twice.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import multiprocessing
import os
import random
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from integration.daemon import RunningDaemon, permit_all
from integration.oidc import OidcProvider, User

NAMES = ("one", "two", "three", "four")
ASKERS = 64
# Seconds: what an asker waits in all, over however many daemons.
PATIENCE = 90.0
CRASHING = Path(__file__).parents[1] / "fakes/crashing_serve.py"


@dataclass
class Tally:
    """What happened in all rounds of one kind."""

    kind: str
    rounds: int = 0
    kills: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    slowest: list[float] = field(default_factory=list)
    mints: int = 0
    reused_inside: int = 0
    reused_outside: int = 0
    logins: int = 0
    windows: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return the figures."""
        windows = sorted(self.windows)
        return {
            "kind": self.kind,
            "rounds": self.rounds,
            "kills": self.kills,
            "mints": self.mints,
            "reused_inside": self.reused_inside,
            "reused_outside": self.reused_outside,
            "logins": self.logins,
            "answers": dict(self.answers),
            "window_p50_ms": round(1000 * statistics.median(windows), 2) if windows else None,
            "window_p99_ms": round(1000 * windows[int(len(windows) * 0.99)], 2)
            if windows
            else None,
            "slowest_s": round(max(self.slowest, default=0.0), 2),
        }


# --- askers --------------------------------------------------------------------------------------


def ask(path: str, name: str) -> tuple[str, str]:
    """Ask once; return what came: `served` and the token, or the kind of failure."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    try:
        connection.connect(path)
        target = f"/v1/credentials/{name}/token?timeout=10&client_base_url=https://{name}.example"
        connection.sendall(
            f"GET {target} HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n".encode()
        )
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    except OSError:
        return "no-daemon", ""
    finally:
        connection.close()
    head, _, body = received.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 200"):
        return "served", body.decode().strip()
    with contextlib.suppress(ValueError):
        return json.loads(body)["kind"], ""
    return "no-daemon", ""


def asker(path: str, name: str, orders: Connection) -> None:
    """Ask whenever ordered to, again and again until there is a token or a human is needed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while orders.recv():
        begun = time.monotonic()
        while True:
            kind, token = ask(path, name)
            if kind in {"served", "login-required"} or time.monotonic() - begun > PATIENCE:
                break
            time.sleep(0.05)
        orders.send((kind, token, time.monotonic() - begun))


class Herd:
    """Processes that all ask at once."""

    def __init__(self, path: Path) -> None:
        fork = multiprocessing.get_context("fork")
        self._members = []
        for number in range(ASKERS):
            ours, theirs = fork.Pipe()
            process = fork.Process(
                target=asker, args=(str(path), NAMES[number % len(NAMES)], theirs), daemon=True
            )
            process.start()
            theirs.close()
            self._members.append((process, ours))

    def go(self) -> None:
        """Have everybody ask."""
        for _, orders in self._members:
            orders.send(True)

    def answers(self) -> list[tuple[str, str, float]]:
        """Return what everybody got."""
        return [orders.recv() for _, orders in self._members]

    def close(self) -> None:
        """Send everybody home."""
        for _, orders in self._members:
            orders.send(False)
        for process, _ in self._members:
            process.join(60)


# --- the scene -----------------------------------------------------------------------------------


class Scene:
    """One server, one daemon with four credentials on one grant, one herd."""

    def __init__(self, folder: Path, *, ttl: int = 2) -> None:
        self.folder = folder
        self.server = OidcProvider(ACCESS_TTL=str(ttl))
        # Short, as socket paths must be.
        self.runtime = Path(tempfile.mkdtemp(prefix="cw-"))
        self.runtime.chmod(0o700)
        self.daemon = RunningDaemon(folder / "home", self.runtime, {})
        self.armed = folder / "armed"
        self.daemon.program = (str(CRASHING), str(self.armed))
        self.write_configuration()
        self.herd = Herd(self.daemon.socket)
        self.seen = 0
        self.presented: Counter[str] = Counter()

    def write_configuration(self) -> None:
        blocks = [
            permit_all(self.folder)
            + f'[grants.shared]\nprovider = "oauth"\nissuer = "{self.server.issuer}"\n'
            'client_id = "credward"\nscope = "openid offline_access api"\n'
        ]
        blocks += [
            f'[credentials.{name}]\nprovider = "oauth"\ngrant = "shared"\nidle_after = 0.0\n'
            f'resource = "https://{name}.example"\n'
            for name in NAMES
        ]
        self.daemon.config_file.parent.mkdir(parents=True)
        self.daemon.state_dir.mkdir(parents=True, mode=0o700)
        self.daemon.config_file.write_text("\n".join(blocks))

    def start(self) -> None:
        """Start the daemon, so that a file can have it killed at a call."""
        self.armed.unlink(missing_ok=True)
        self.daemon.start(log_level="info")

    def log_in(self) -> None:
        """Give the daemon a grant, as a human would."""
        done = subprocess.run(
            [sys.executable, "-m", "credward", "login", "shared", "--grant-stdin"],
            env={**self.daemon.environment, "CREDWARD_SOCKET": str(self.daemon.socket)},
            input=new_grant(self.server),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def workers(self) -> list[int]:
        """Return the workers of this scene that may hold the grant."""
        mark = f"{self.daemon.home}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"oauth" in words and any(b"workers" in word for word in words):
                        if mark in (entry / "environ").read_bytes():
                            found.append(int(entry.name))
        return found

    def tell(self, tally: Tally) -> None:
        """Count what the server saw since the last time."""
        cut_off = [each for each in self.log() if "was cut off" in each["message"]]
        for event in self.server.events[self.seen :]:
            self.seen += 1
            if event.get("grant_type") != "refresh_token":
                continue
            name = event.get("presented")
            if event["event"] in {"grant.success", "grant.error"} and name:
                if event["event"] == "grant.success":
                    tally.mints += 1
                if self.presented[name]:
                    if any(_unix(each["time"]) <= event["at"] + 0.01 for each in cut_off[-3:]):
                        tally.reused_inside += 1
                    else:
                        tally.reused_outside += 1
                self.presented[name] += 1

    def log(self) -> Iterator[dict[str, str]]:
        """Yield the lines of the daemon's log."""
        for line in self.daemon.log().splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def close(self) -> None:
        """End everything."""
        self.herd.close()
        if self.daemon.running:
            self.daemon.stop()
        self.server.stop()


def _unix(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def new_grant(server: OidcProvider) -> str:
    """Log alice in by hand and return a refresh token for all four audiences."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    query = [
        ("response_type", "code"),
        ("client_id", "credward"),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("scope", "openid offline_access api"),
        ("prompt", "consent"),
        ("code_challenge", challenge.rstrip("=")),
        ("code_challenge_method", "S256"),
        *(("resource", f"https://{name}.example") for name in NAMES),
    ]
    with User() as user:
        end = user.go(f"{server.issuer}/auth?{urlencode(query)}")
    code = parse_qs(urlsplit(end).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "client_id": "credward",
        "code": code,
        "redirect_uri": "http://127.0.0.1/callback",
        "code_verifier": verifier,
        "resource": f"https://{NAMES[0]}.example",
    }
    answer = requests.post(f"{server.issuer}/token", data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["refresh_token"]


# --- rounds --------------------------------------------------------------------------------------


def play(scene: Scene, tally: Tally, random_: random.Random) -> None:
    """One round: everybody asks for an expired token while something is killed."""
    tally.rounds += 1
    if not scene.daemon.running:
        scene.start()
    if tally.kind == "call":
        # The first calls are the journal's, later ones the store's; beyond the last nobody dies.
        scene.armed.write_text(str(random_.randrange(120)))
    scene.herd.go()
    if tally.kind == "daemon":
        time.sleep(random_.random() * 0.5)
        tally.kills += 1
        scene.daemon.kill9()
        scene.start()
    elif tally.kind == "call":
        deadline = time.monotonic() + 1.0
        while scene.daemon.running and time.monotonic() < deadline:
            time.sleep(0.005)
        if not scene.daemon.running:
            tally.kills += 1
            scene.start()
        scene.armed.unlink(missing_ok=True)
    elif tally.kind == "worker":
        time.sleep(random_.random() * 0.25)
        for pid in scene.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                tally.kills += 1
    for kind, token, seconds in scene.herd.answers():
        tally.answers[kind if kind != "served" else _judge(token)] += 1
        tally.slowest.append(seconds)
    scene.tell(tally)
    if tally.answers["login-required"]:
        logins = tally.answers.pop("login-required")
        tally.answers["told to log in"] += logins
        tally.logins += 1
        scene.log_in()


def _judge(token: str) -> str:
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    # The clock of the server counts whole seconds.
    return "served" if claims["exp"] >= time.time() - PATIENCE else "served a dead token"


def run(kind: str, rounds: int, folder: Path, seed: int) -> Tally:
    """Play *rounds* of one kind and return the tally."""
    folder.mkdir()
    tally = Tally(kind)
    scene = Scene(folder)
    random_ = random.Random(seed)
    try:
        scene.start()
        scene.log_in()
        for _ in range(rounds):
            time.sleep(2.1)
            play(scene, tally, random_)
        tally.windows = [
            float(found[1])
            for each in scene.log()
            if (found := re.search(r"open for ([0-9.]+) s", each["message"]))
        ]
    finally:
        scene.close()
    return tally


def main() -> None:
    """Play all kinds and print what happened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--kinds", default="daemon,call,worker")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    words = parser.parse_args()
    if (reason := OidcProvider.missing()) is not None:
        sys.exit(reason)
    print(f"seed {words.seed}, {ASKERS} processes, {len(NAMES)} credentials on one grant")
    with tempfile.TemporaryDirectory() as folder:
        for kind in words.kinds.split(","):
            tally = run(kind, words.rounds, Path(folder) / kind, words.seed)
            print(json.dumps(tally.row()))
