"""Measure helper and daemon on this machine: one table, and the numbers as JSON.

Says what is compared with what; starting and timing is `processes`, the lifecycle alone is
`scheduling`.
"""

from __future__ import annotations

import contextlib
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
_SESSIONS = 100


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


def helper(report: Report, work: Path) -> None:
    """The helper and /bin/true in turn, alone: in a rotation with others the daemon is cold."""
    report.heading("A whole helper process: start, ask, print, end (median)")
    found = find_helper(report)
    if not found:
        return
    with Daemon(work / "helper", _CONFIG) as daemon:
        daemon.ask_for("demo")
        for name, pause, seconds in (("back to back", 0.0, 8.0), ("50 ms apart", 0.05, 16.0)):
            times = processes.time_programs(
                {"true": ["true"], "ours": [found]},
                environment=daemon.environment,
                stdin={},
                seconds=seconds,
                pause=pause,
            )
            floor, ours = (statistics.median(times[each]) * 1e3 for each in ("true", "ours"))
            report.row(f"/bin/true, {name}", floor, "ms")
            report.row(f"credward-helper, {name}", ours, "ms", ours / floor, "/bin/true")


def command_line(report: Report, work: Path) -> None:
    """Commands that people wait for, in rotation with an interpreter that does nothing."""
    report.heading("The command line, in rotation (median)")
    nothing = "python -I -c pass"
    credward = [sys.executable, "-m", "credward"]
    with Daemon(work / "line", _CONFIG) as daemon:
        daemon.ask_for("demo")
        programs = {
            nothing: [sys.executable, "-I", "-c", "pass"],
            "python -I -c 'import credward'": [sys.executable, "-I", "-c", "import credward"],
            "credward get": [*credward, "get", "demo"],
            "credward status": [*credward, "status"],
        }
        times = processes.time_programs(
            programs, environment=daemon.environment, stdin={}, seconds=12.0
        )
    floor = statistics.median(times[nothing]) * 1e3
    for name, found in times.items():
        took = statistics.median(found) * 1e3
        report.row(name, took, "ms", took / floor, nothing)


def one_command(report: Report, work: Path) -> None:
    """What `credward run` adds to the start of a command, beside a Python that only becomes it."""
    report.heading("A command under credward run, in rotation (median)")
    bare = "python -I, which becomes /bin/true"
    run = [sys.executable, "-m", "credward", "run"]
    with Daemon(work / "run", _CONFIG) as daemon:
        daemon.ask_for("demo")
        programs = {
            "/bin/true": ["true"],
            bare: [sys.executable, "-I", "-c", "import os; os.execv('/bin/true', ['true'])"],
            "credward run -- true": [*run, "--", "true"],
            "credward run --with demo=gce -- true": [*run, "--with", "demo=gce", "--", "true"],
            "credward run --with demo=env -- true": [*run, "--with", "demo=env", "--", "true"],
        }
        times = processes.time_programs(
            programs, environment=daemon.environment, stdin={}, seconds=15.0
        )
    took = {name: statistics.median(found) * 1e3 for name, found in times.items()}
    for name, each in took.items():
        report.row(name, each, "ms", each / took[bare], bare)
    added = took["credward run --with demo=gce -- true"] - took["/bin/true"]
    report.row("added by one endpoint to the start", added, "ms")


def round_trips(report: Report, work: Path) -> None:
    """A whole process each, in rotation: what other ways to ask cost."""
    report.heading("Other ways to ask, in rotation (median)")
    found = find_helper(report)
    with Daemon(work / "trips", _CONFIG) as daemon, processes.git_cache(work / "git") as git:
        daemon.ask_for("demo")
        python = [sys.executable, "-I"]
        programs: dict[str, list[str]] = {
            "python -I -S client": [
                *python,
                "-S",
                str(HERE / "python_client.py"),
                str(daemon.socket),
            ],
            "the helper's Python twin": [*python, str(ROOT / "helpers/helper.py")],
        }
        if found:
            programs["credward-helper"] = [found]
        if git:
            programs["git credential-cache"] = git
        else:
            report.skip("git credential-cache", "git is missing or has none")
        if shutil.which("curl"):
            url = "http://credward/v1/credentials/-/token"
            curl = ["curl", "-sf", "--unix-socket", str(daemon.socket), url]
            programs["curl --unix-socket"] = curl
        else:
            report.skip("curl --unix-socket", "curl is missing")
        times = processes.time_programs(
            programs,
            environment=daemon.environment,
            stdin={"git credential-cache": work / "git/question"},
            seconds=12.0,
        )
    floor = statistics.median(times["python -I -S client"])
    for name, each in times.items():
        median = statistics.median(each)
        report.row(name, median * 1e3, "ms", median / floor, "python client")


def callers(report: Report, work: Path) -> None:
    """What it costs to find out who a new process is."""
    report.heading("A look at a new caller, six ancestors deep: open, identify, close")
    knock = processes.compiled(work, "knock")
    if knock is None:
        report.skip("callers", "no C compiler for knock.c")
        return
    before = processes.earlier(work / "before")
    if before is None:
        report.skip("the earlier look", "the history of this clone does not reach that far back")
    for harness, name in ((True, "below a harness"), (False, "no harness")):
        found: dict[str, list[float]] = {"before": [], "today": []}
        for _ in range(4):
            for when, tree in (("before", before), ("today", ROOT)):
                if tree is not None:
                    found[when] += processes.looks(knock, tree, harness=harness, count=250)
        then, now = sorted(found["before"]), sorted(found["today"])
        for share, label in ((2, "p50"), (10, "p10")):
            value = now[len(now) // share]
            compared = value / then[len(then) // share] if then else None
            report.row(f"{name}, {label}", value, "us", compared, "before")


def throughput(report: Report, work: Path) -> None:
    """The daemon under load, from below a harness."""
    report.heading(
        "Load: a cached token with attestation, policy and audit, against a constant answer of a "
        "server that shares no code with it (yardstick), of our server (bare), and against before"
    )
    load = processes.compiled(work, "load")
    if load is None:
        report.skip("load", "no C compiler for load.c")
        return
    with contextlib.ExitStack() as running:
        daemon = running.enter_context(Daemon(work / "load-daemon", _CONFIG))
        bare = processes.constant_server(work / "bare", "bare_server")
        sockets = {"bare": running.enter_context(bare)}
        yardstick = processes.constant_server(work / "yardstick", "yardstick")
        sockets["yardstick"] = running.enter_context(yardstick)
        daemon.ask_for("demo")
        earlier = None
        if (tree := processes.earlier(work / "load-before")) is not None:
            earlier = running.enter_context(Daemon(work / "load-earlier", _CONFIG, tree))
            earlier.ask_for("demo")
            frozen = processes.constant_server(work / "bare-before", "bare_server", tree)
            sockets["bare before"] = running.enter_context(frozen)
        for mode in ("a connection each", "kept alive"):
            for clients in _CLIENTS:
                floors = {
                    name: run_load(load, socket, clients, mode)["rps"]
                    for name, socket in sockets.items()
                }
                used, ours = cost(load, daemon, clients, mode)
                name = f"{clients} clients, {mode}"
                if ours["errors"]:
                    report.skip(name, f"{ours['errors']} errors")
                    continue
                for floor, rps in floors.items():
                    report.row(name, ours["rps"], "/s", ours["rps"] / rps, floor)
                before = None
                if earlier is not None:
                    before, _ = cost(load, earlier, clients, mode)
                ratio = None if before is None else used / before
                report.row("  processor per answer", used, "us", ratio, "before")
                report.row("  latency p50", ours["p50_us"] / 1e3, "ms")
                report.row("  latency p99", ours["p99_us"] / 1e3, "ms")


def cost(load: Path, daemon: Daemon, clients: int, mode: str) -> tuple[float, dict[str, Any]]:
    """Return the processor time per answer (microseconds), and what the generator counted."""
    before = processes.processor_seconds(daemon.pid)
    counted = run_load(load, daemon.socket, clients, mode)
    used = processes.processor_seconds(daemon.pid) - before
    return used / counted["requests"] * 1e6, counted


def run_load(load: Path, socket: Path, clients: int, mode: str) -> dict[str, Any]:
    """Ask for two seconds; return what the generator counted."""
    command = [str(load), str(socket), "/v1/credentials/-/token", str(clients), "2"]
    if mode == "kept alive":
        command.append("keepalive")
    command = processes.below(load.parent, command, harness=True)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    counted: dict[str, Any] = json.loads(done.stdout)
    return counted


def herd(report: Report, work: Path) -> None:
    """Many helpers at once, as a machine full of agents starts them."""
    report.heading("4,000 helper processes, 32 at a time")
    found = find_helper(report)
    if found is None:
        return
    with Daemon(work / "herd", _CONFIG) as daemon:
        daemon.ask_for("demo")
        floor = processes.run_many(["true"], daemon.environment, count=4000, at_once=32)
        taken = processes.run_many([found], daemon.environment, count=4000, at_once=32)
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


def aws(report: Report, work: Path) -> None:
    """What a session of boto3 waits for its keys: by us, by its cached login, by aws-vault."""
    report.heading(
        "Keys for a new session of boto3, in rotation; upstream on loopback: a real one adds its "
        "round trip to each of its calls"
    )
    try:
        # It needs the developers' tools.
        import aws_ways
    except ImportError as error:
        report.skip("aws", str(error))
        return
    plain = "sso-session of botocore"
    with contextlib.ExitStack() as running:
        ways = dict(running.enter_context(aws_ways.ours(work / "aws-ours", find_helper(report))))
        ways[plain] = running.enter_context(aws_ways.sso_cache(work / "aws-sso"))
        try:
            ways["credential_process, aws-vault export"] = running.enter_context(
                aws_ways.vault(work / "aws-vault")
            )
        except aws_ways.MissingError as error:
            report.skip("aws-vault", str(error))
        for way in ways.values():
            way.use(counted=False)
        for _ in range(_SESSIONS):
            for way in ways.values():
                way.use()
    floor = statistics.median(ways[plain].times)
    for name, way in ways.items():
        median = statistics.median(way.times)
        report.row(f"{name}, p50", median * 1e3, "ms", median / floor, plain)
        report.row(f"  calls upstream by {_SESSIONS} sessions", way.calls, "calls")


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
    helper, command_line, one_command, round_trips, callers, throughput, herd, starting, memory,
    lifecycle, aws,
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
