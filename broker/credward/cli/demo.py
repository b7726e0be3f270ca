"""`credward demo`: the main function with the built-in issuer, in its own folder, in 20 seconds.

Starts a real daemon, asks through the real helper, checks every token against the published key.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from credward.cli.demo_check import verify
from credward.cli.helper_probe import find_helper
from credward.cli.output import format_duration, print_table
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.wire import CredentialStatus

__all__ = ["command"]

_CALLERS = 4
_PAUSE = 0.1


class _Tally(msgspec.Struct):
    """What the callers saw; protected by one lock."""

    lock: threading.Lock = msgspec.field(default_factory=threading.Lock)
    asks: int = 0
    slowest: float = 0.0
    tokens: set[str] = msgspec.field(default_factory=set)
    faults: list[str] = msgspec.field(default_factory=list)


@click.command(
    "demo",
    short_help="Watch a token being refreshed before it expires.",
    epilog="Example: credward demo --seconds 20",
)
@click.option("--seconds", type=click.IntRange(5, 600), default=20, show_default=True)
@click.option("--lifetime", type=click.IntRange(5, 600), default=6, show_default=True)
def command(seconds: int, lifetime: int) -> None:
    """Watch a token being refreshed before it expires while callers keep asking.

    Needs no network and no account; fails if any caller waited or fewer than three refreshes were
    seen. It removes everything that it makes.
    """
    with _folder() as folder, _daemon(folder, lifetime) as client:
        helper = find_helper()
        environ = _environ(folder)
        click.echo(f"a daemon in {folder}, tokens of {lifetime} s, {_CALLERS} callers of {helper}")
        # For the first request there is no token; after it nobody may wait.
        _ask(helper, environ)
        tally = _Tally()
        keys = client.jwks("demo").keys
        stop = threading.Event()
        callers = [
            threading.Thread(target=_keep_asking, args=(helper, environ, keys, tally, stop))
            for _ in range(_CALLERS)
        ]
        for caller in callers:
            caller.start()
        try:
            status = _watch(client, tally, seconds)
        finally:
            stop.set()
            for caller in callers:
                caller.join()
    _conclude(status, tally)


def _watch(client: Client, tally: _Tally, seconds: int) -> CredentialStatus:
    header = ("SECOND", "TOKEN", "STATE", "EXPIRES", "NEXT-REFRESH", "REFRESHES", "ASKS", "SLOWEST")
    drawn = 0
    began = time.perf_counter()
    while True:
        listed = client.statuses()
        status = listed.credentials[0]
        passed = time.perf_counter() - began
        row = (
            f"{passed:.0f}/{seconds}",
            (status.token_id or "-")[:8],
            status.state,
            _in(status.expires_at, listed.now),
            _in(status.refresh_at, listed.now),
            str(status.mints - 1),
            str(tally.asks),
            f"{tally.slowest * 1000:.1f} ms",
        )
        if drawn and sys.stdout.isatty():
            # Draw over the previous table.
            click.echo("\x1b[2A\x1b[J", nl=False)
        if drawn and not sys.stdout.isatty():
            click.echo(
                "  ".join(cell.ljust(len(name)) for cell, name in zip(row, header, strict=True))
            )
        else:
            print_table(header, [row])
        drawn += 1
        if passed >= seconds:
            return status
        time.sleep(1.0)


def _conclude(status: CredentialStatus, tally: _Tally) -> None:
    refreshes = status.mints - 1
    summary = {
        "asks": tally.asks,
        "tokens_seen": len(tally.tokens),
        "refreshes": refreshes,
        "waited": status.waits,
        "slowest_ms": round(tally.slowest * 1000, 2),
        "faults": tally.faults[:5],
    }
    click.echo(json.dumps(summary))
    wrong = []
    if status.waits:
        wrong.append(f"{status.waits} callers waited for a mint")
    if refreshes < 3:
        wrong.append(f"only {refreshes} refreshes were seen")
    if tally.faults:
        wrong.append(f"{len(tally.faults)} answers were wrong, the first: {tally.faults[0]}")
    if wrong:
        raise BrokerError(Kind.INTERNAL, f"{'; '.join(wrong)}: run credward demo --seconds 60")
    click.echo(
        f"{tally.asks} requests by {_CALLERS} callers, {refreshes} refreshes ahead of time, "
        "nobody waited\nnext: credward add"
    )


# --- callers -------------------------------------------------------------------------------------


def _ask(helper: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [str(helper), "demo"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode != 0:
        raise BrokerError(Kind.INTERNAL, done.stderr.strip().removeprefix("credward: "))
    return done.stdout.rstrip("\n")


def _keep_asking(
    helper: Path,
    environ: dict[str, str],
    keys: list[dict[str, str]],
    tally: _Tally,
    stop: threading.Event,
) -> None:
    while not stop.wait(_PAUSE):
        began = time.perf_counter()
        try:
            token = _ask(helper, environ)
            fault = verify(token, keys)
        except BrokerError as error:
            token, fault = "", error.message
        took = time.perf_counter() - began
        with tally.lock:
            tally.asks += 1
            tally.slowest = max(tally.slowest, took)
            tally.tokens.add(token)
            if fault is not None:
                tally.faults.append(fault)


# --- the daemon ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # Short, because a socket path ends at 108 bytes; made 0700 by mkdtemp.
    folder = Path(tempfile.mkdtemp(prefix="credward-demo-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environ(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_RUNTIME_DIR": str(folder),
        "CREDWARD_NO_START": "1",
    }


@contextlib.contextmanager
def _daemon(folder: Path, lifetime: int) -> Iterator[Client]:
    config = folder / "config" / "credward" / "config.toml"
    config.parent.mkdir(mode=0o700, parents=True)
    config.write_text(f'[credentials.demo]\nprovider = "local"\nlifetime = {lifetime}\n')
    config.chmod(0o600)
    log = folder / "daemon.log"
    child = subprocess.Popen(
        [sys.executable, "-m", "credward", "serve", "--log-file", str(log)],
        env=_environ(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = Client([folder / "credward" / "credward.sock"], 10.0)
    try:
        _wait_until_ready(client, child, log)
        yield client
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_until_ready(client: Client, child: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(400):
        with contextlib.suppress(BrokerError):
            if client.ready().ready:
                return
        if child.poll() is not None:
            break
        time.sleep(0.05)
    last = log.read_text().splitlines()[-1:] if log.exists() else []
    raise BrokerError(Kind.INTERNAL, f"the daemon did not start: {''.join(last)[:300]}")


def _in(at: float | None, now: float) -> str:
    return "-" if at is None else format_duration(at - now)
