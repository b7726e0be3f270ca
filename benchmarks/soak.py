"""A sidecar's life in minutes: 100,000 refreshes by one daemon, and what grew meanwhile (T16).

`python benchmarks/soak.py --refreshes 100000`: nine in ten by `local`, one rotates.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "broker")]

from fakes.oauth_server import OAuthServer  # noqa: E402 - its place is made above
from integration.daemon import RunningDaemon  # noqa: E402

_POLICY = "permit (principal is Caller, action, resource is Credential);\n"
_COLUMNS = ("refreshes", "daemon KiB", "fds", "threads", "workers", "worker KiB", "state KiB")


def main() -> None:
    """Refresh and print a row now and then."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--refreshes", type=int, default=100_000)
    total = parser.parse_args().refreshes
    with tempfile.TemporaryDirectory(prefix="cw-") as name, OAuthServer() as server:
        daemon = _configure(Path(name), server)
        daemon.start(log_level="warning")
        try:
            _log_in(daemon, server.grant())
            _soak(daemon, server, total)
        finally:
            daemon.stop(20)


def _configure(folder: Path, server: OAuthServer) -> RunningDaemon:
    (folder / "policy").mkdir()
    (folder / "policy/all.cedar").write_text(_POLICY)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    daemon = RunningDaemon(folder / "home", runtime, {})
    daemon.state_dir.mkdir(parents=True, mode=0o700)
    daemon.write_config(
        f'[policy]\ndirectory = "{folder}/policy"\n[store]\nkey = "key_file"\n'
        '[credentials.own]\nprovider = "local"\n'
        f'[credentials.theirs]\nprovider = "oauth"\nissuer = "{server.issuer}"\n'
        f'client_id = "{server.client_id}"\nscope = "openid offline_access"\n'
    )
    return daemon


def _log_in(daemon: RunningDaemon, grant: str) -> None:
    command = [sys.executable, "-m", "credward", "login", "theirs", "--grant-stdin"]
    environment = {**daemon.environment, "CREDWARD_SOCKET": str(daemon.socket)}
    subprocess.run(command, env=environment, input=grant, text=True, check=True)


def _soak(daemon: RunningDaemon, server: OAuthServer, total: int) -> None:
    print("  ".join(f"{column:>11}" for column in _COLUMNS))
    marks = sorted({max(100, total * percent // 100) for percent in (1, 10, 25, 50, 75, 100)})
    began = time.perf_counter()
    for number in range(1, total + 1):
        name = "own" if number % 10 else "theirs"
        answer = daemon.request("POST", f"/v1/credentials/{name}/refresh")
        if answer.status != 200:
            sys.exit(f"refresh {number} of {name}: {answer.status} {answer.text}")
        if number in marks:
            server.log.clear()
            print("  ".join(f"{value:>11,}" for value in (number, *_measure(daemon))), flush=True)
    print(f"{total / (time.perf_counter() - began):,.0f} refreshes/s, one asker")


def _measure(daemon: RunningDaemon) -> tuple[int, ...]:
    proc = Path(f"/proc/{daemon.pid}")
    workers = [int(each) for each in (proc / f"task/{daemon.pid}/children").read_text().split()]
    state = sum(each.stat().st_size for each in daemon.state_dir.rglob("*") if each.is_file())
    audit = (daemon.state_dir / "audit.log").stat().st_size
    return (
        _private(daemon.pid),
        len(os.listdir(proc / "fd")),
        len(os.listdir(proc / "task")),
        len(workers),
        max((_private(pid) for pid in workers), default=0),
        (state - audit) // 1024,
    )


def _private(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1])
    return 0


main()
