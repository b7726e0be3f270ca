"""Measure helper and daemon on this machine: one table, and the numbers as JSON.

Says what is compared with what; starting and timing is `processes`, the lifecycle alone is
`scheduling`.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import processes
import scheduling
from processes import HERE, ROOT, Daemon

_CONFIG = '[credentials.demo]\nprovider = "local"\n'
_CLIENTS = (1, 16, 64)


class Report:
    """The table as it grows, and the same as data."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.skipped: list[str] = []

    def heading(self, text: str) -> None:
        print(f"\n{text}")

    def row(
        self, what: str, value: float, unit: str, ratio: float | None = None, to: str = ""
    ) -> None:
        """Print and keep one line; *ratio* compares it with what *to* names."""
        self.rows.append({"what": what, "value": value, "unit": unit, "ratio": ratio, "to": to})
        compared = f"{ratio:9.2f} x {to}" if ratio is not None else ""
        print(f"  {what:<46} {value:10.2f} {unit:<8} {compared}".rstrip(), flush=True)

    def skip(self, what: str, why: str) -> None:
        """Name what was left out."""
        self.skipped.append(f"{what}: {why}")
        print(f"  {what:<46} skipped: {why}", flush=True)

    def save(self, seconds: float) -> Path:
        """Write the numbers and what they were measured on."""
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        path = folder / time.strftime("%Y-%m-%dT%H%M%S.json")
        machine = {
            "system": f"{platform.system()} {platform.release()}",
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        }
        content = {
            "machine": machine,
            "seconds": seconds,
            "rows": self.rows,
            "skipped": self.skipped,
        }
        path.write_text(json.dumps(content, indent=1) + "\n")
        return path


def round_trips(report: Report, work: Path) -> None:
    """A whole process each: what a hook of a tool costs its user."""
    report.heading("One question, a process each (median)")
    helper = find_helper(report)
    with Daemon(work / "trips", _CONFIG) as daemon, processes.git_cache(work / "git") as git:
        daemon.ask_for("demo")
        url = "http://credward/v1/credentials/-/token"
        programs: dict[str, list[str]] = {"/bin/true": ["true"]}
        if helper:
            programs["credward-helper"] = [helper]
        if git:
            programs["git credential-cache"] = git
        else:
            report.skip("git credential-cache", "git is missing or has none")
        if shutil.which("curl"):
            programs["curl --unix-socket"] = [
                "curl",
                "-sf",
                "--unix-socket",
                str(daemon.socket),
                url,
            ]
        else:
            report.skip("curl --unix-socket", "curl is missing")
        python = [sys.executable, "-I", "-S"]
        programs["python -I -S client"] = [
            *python,
            str(HERE / "python_client.py"),
            str(daemon.socket),
        ]
        if (ROOT / "helpers/helper.py").exists():
            programs["the helper's Python twin"] = [
                sys.executable,
                "-I",
                str(ROOT / "helpers/helper.py"),
            ]
        times = processes.time_programs(
            programs,
            environment=daemon.environment,
            stdin={"git credential-cache": work / "git/question"},
            seconds=12.0,
        )
    floor = statistics.median(times["/bin/true"])
    for name, each in times.items():
        median = statistics.median(each)
        report.row(name, median * 1e3, "ms", median / floor, "/bin/true")
    if helper:
        ours = statistics.median(times["credward-helper"])
        report.row("credward-helper over /bin/true", (ours - floor) * 1e3, "ms")
        for name in ("git credential-cache", "curl --unix-socket", "python -I -S client"):
            if name in times:
                theirs = statistics.median(times[name])
                report.row(f"{name} compared", theirs * 1e3, "ms", theirs / ours, "credward-helper")


def throughput(report: Report, work: Path) -> None:
    """The daemon under load, against its own server with nothing behind it."""
    report.heading(
        "Load: a cached token with attestation, policy and audit, against a constant answer "
        "of our server (bare) and of one that shares no code with it (yardstick)"
    )
    compiler = next((each for each in ("cc", "gcc", "clang") if shutil.which(each)), None)
    if compiler is None:
        report.skip("load", "no C compiler for load.c")
        return
    load = work / "load"
    subprocess.run([compiler, "-O2", "-std=c11", "-o", str(load), str(HERE / "load.c")], check=True)
    with (
        Daemon(work / "load-daemon", _CONFIG) as daemon,
        processes.constant_server(work / "bare", "bare_server") as bare,
        processes.constant_server(work / "yardstick", "yardstick") as yardstick,
    ):
        daemon.ask_for("demo")
        for mode in ("a connection each", "kept alive"):
            for clients in _CLIENTS:
                most = run_load(load, yardstick, clients, mode)
                floor = run_load(load, bare, clients, mode)
                before = processes.processor_seconds(daemon.pid)
                ours = run_load(load, daemon.socket, clients, mode)
                used = processes.processor_seconds(daemon.pid) - before
                name = f"{clients} clients, {mode}"
                if ours["errors"]:
                    report.skip(name, f"{ours['errors']} errors")
                    continue
                report.row(f"yardstick, {name}", most["rps"], "/s")
                report.row(f"bare server, {name}", floor["rps"], "/s")
                report.row(f"daemon, {name}", ours["rps"], "/s", ours["rps"] / floor["rps"], "bare")
                report.row("  the same", ours["rps"], "/s", ours["rps"] / most["rps"], "yardstick")
                # The generator asks for two seconds.
                report.row("  processor per answer", used / 2 / ours["rps"] * 1e6, "us")
                report.row(
                    "  latency p50",
                    ours["p50_us"] / 1e3,
                    "ms",
                    ours["p50_us"] / max(floor["p50_us"], 1),
                    "bare",
                )
                report.row(
                    "  latency p99",
                    ours["p99_us"] / 1e3,
                    "ms",
                    ours["p99_us"] / max(floor["p99_us"], 1),
                    "bare",
                )


def run_load(load: Path, socket: Path, clients: int, mode: str) -> dict[str, Any]:
    """Ask for two seconds; return what the generator counted."""
    command = [str(load), str(socket), "/v1/credentials/-/token", str(clients), "2"]
    if mode == "kept alive":
        command.append("keepalive")
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    counted: dict[str, Any] = json.loads(done.stdout)
    return counted


def herd(report: Report, work: Path) -> None:
    """Many helpers at once, as a machine full of agents starts them."""
    report.heading("4,000 helper processes, 32 at a time")
    helper = find_helper(report)
    if helper is None:
        return
    with Daemon(work / "herd", _CONFIG) as daemon:
        daemon.ask_for("demo")
        floor = processes.run_many(["true"], daemon.environment, count=4000, at_once=32)
        taken = processes.run_many([helper], daemon.environment, count=4000, at_once=32)
    report.row("/bin/true", 4000 / floor, "/s")
    report.row("credward-helper", 4000 / taken, "/s", floor / taken, "/bin/true")


def starting(report: Report, work: Path) -> None:
    """From nothing to a token."""
    report.heading("Start (median of 5)")
    python, ready, first = [], [], []
    for number in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
        python.append(time.perf_counter() - began)
        began = time.perf_counter()
        with Daemon(work / f"start-{number}", _CONFIG) as daemon:
            ready.append(daemon.ready_after)
            daemon.ask_for("demo")
            first.append(time.perf_counter() - began)
    floor = statistics.median(python)
    report.row("python -I -c pass", floor * 1e3, "ms")
    for name, times in (("daemon ready", ready), ("first token, its worker started too", first)):
        report.row(
            name, statistics.median(times) * 1e3, "ms", statistics.median(times) / floor, "python"
        )


def memory(report: Report, work: Path) -> None:
    """What the daemon keeps, and what a cached credential adds."""
    report.heading("Memory of the daemon")
    idle: dict[str, float] = {}
    for count in (1, 1000, 10_000):
        block = '[credentials.c{}]\nprovider = "local"\ngrant = "shared"\n'
        config = "".join(block.format(number) for number in range(count))
        with Daemon(work / f"memory-{count}", config) as daemon:
            if count == 1:
                time.sleep(0.5)
                idle = processes.memory(daemon.pid)
            daemon.ask_for("c0")
            began = time.monotonic()
            for number in range(count):
                daemon.ask_for(f"c{number}")
                if time.monotonic() - began > 40:
                    report.skip(f"{count} credentials", f"only {number} minted in 40 s")
                    return
            now = processes.memory(daemon.pid)
        name = "idle" if count == 1 else f"{count} cached credentials"
        for kind, value in (idle if count == 1 else now).items():
            ratio = None if count == 1 else value / idle[kind]
            report.row(f"{name}, {kind}", value, "MB", ratio, "idle")
    if "private" not in idle:
        report.skip("private memory", "only root may read it of a daemon that is not dumpable")


def lifecycle(report: Report, work: Path) -> None:
    """The pure machine: does its cost depend on how many credentials there are."""
    del work
    report.heading("One event of the lifecycle")
    few, many = scheduling.measure(10), scheduling.measure(10_000)
    names = {
        "ask": "an ask answered from memory",
        "wake": "a wake-up with nothing due",
        "refresh": "a refresh, wake-up to landed",
    }
    for key, name in names.items():
        report.row(f"{name}, 10,000 credentials", many[key], "us", many[key] / few[key], "10")


def find_helper(report: Report) -> str | None:
    """Return the installed helper, the one beside this Python first."""
    beside = Path(sys.executable).with_name("credward-helper")
    found = str(beside) if beside.exists() else shutil.which("credward-helper")
    if found is None:
        report.skip("credward-helper", "not installed: run make venv")
    elif Path(found).read_bytes()[:2] == b"#!":
        report.skip(
            "the helper in C", "no C compiler was there when it was installed: this is its twin"
        )
    return found


_SECTIONS: tuple[Callable[[Report, Path], None], ...] = (
    round_trips, throughput, herd, starting, memory, lifecycle,
)  # fmt: skip


def main() -> None:
    """Run the sections named on the command line, or all."""
    wanted = sys.argv[1:] or [section.__name__ for section in _SECTIONS]
    report = Report()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cw-bench-", dir="/tmp") as work:
        for section in _SECTIONS:
            if section.__name__ in wanted:
                section(report, Path(work))
    path = report.save(time.monotonic() - began)
    print(f"\n{time.monotonic() - began:.0f} s, numbers in {path}")


if __name__ == "__main__":
    main()
