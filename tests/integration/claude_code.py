"""The real Claude Code binary: found or installed once, set up by us, run headless against a loopback API."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.daemon import RunningDaemon
from transcripts.programs import native_helper

__all__ = [
    "OLDEST",
    "QUIET",
    "VERSION",
    "ClaudeCode",
    "Conversation",
    "find_claude",
    "install",
    "newest",
]

# Hook behaviour changes between releases; what the tests assert was seen with this one.
VERSION = "2.1.329"
# The oldest that npm serves whose `-p` reads an apiKeyHelper of the user's settings.
OLDEST = "0.2.125"
_PACKAGE = "@anthropic-ai/claude-code"
# It asks nobody but the services of a test.
QUIET = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "IS_SANDBOX": "1",
}


def find_claude(version: str = VERSION) -> tuple[str, ...]:
    """Return the command of a version, installing its package once; skip where that cannot be."""
    named = os.environ.get("TEST_CLAUDE_CODE")
    if named and version == VERSION:
        return (named,)
    folder = _cache() / f"claude-code-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # One of the parallel test processes installs, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _command(folder) is None:
            done = _npm("install", "--prefix", str(folder), f"{_PACKAGE}@{version}", seconds=400)
            if done is None or done.returncode != 0 or _command(folder) is None:
                pytest.skip(f"npm could not install {_PACKAGE} {version}")
    command = _command(folder)
    assert command is not None
    return command


def newest() -> str:
    """Return the newest version that npm serves, or that is here already; skip where there is none."""
    done = _npm("view", _PACKAGE, "version", seconds=60)
    if done is not None and done.returncode == 0 and done.stdout.strip():
        return done.stdout.strip()
    found = [
        each.name.rpartition("-")[2] for each in _cache().glob("claude-code-*") if _command(each)
    ]
    if not found:
        pytest.skip(f"npm is not reachable, and no {_PACKAGE} is here")
    return max(found, key=lambda version: [int(each) for each in version.split(".")])


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "credward-tests"


def _command(folder: Path) -> tuple[str, ...] | None:
    """Return how the package in *folder* is run: as a native program, or older ones by node."""
    machine = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
    system = platform.system().lower()
    native = folder / f"node_modules/{_PACKAGE}-{system}-{machine}/claude"
    script = folder / f"node_modules/{_PACKAGE}/cli.js"
    node = shutil.which("node")
    if native.exists():
        return (str(native),)
    return (node, str(script)) if node is not None and script.exists() else None


def _npm(*words: str, seconds: float) -> subprocess.CompletedProcess[str] | None:
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        return subprocess.run([npm, *words], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def install(
    daemon: RunningDaemon,
    credential: str,
    folder: Path,
    ttl: int = 240,
    version: str = VERSION,
    words: tuple[str, ...] = (),
) -> ClaudeCode:
    """Have `credward setup claude-code` tell a Claude Code of *credential*; *ttl* in seconds.

    *words*: more of its options.
    """
    # Installed as users have it: helper and interpreter side by side.
    claude = find_claude(version)
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    if not (programs / "credward-helper").exists():
        shutil.copy(native_helper("gcc"), programs / "credward-helper")
    environ = {**daemon.environment, "PATH": f"{programs}:/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "credward",
            "setup",
            "claude-code",
            credential,
            "--yes",
            "--ttl",
            str(ttl),
            *words,
        ],
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    # Doctor, which follows, is right about a cache time that a test chose too long.
    assert done.returncode == 0 or "keeps a token" in done.stdout, done.stdout + done.stderr
    kept = ("HOME", "PATH", "LANG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return ClaudeCode(claude, {**{name: environ[name] for name in kept}, **QUIET}, work)


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """The binary with a home and an environment of its own."""

    program: tuple[str, ...]
    environ: dict[str, str]
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [*self.program, "-p", *arguments]

    def ask(self, words: str = "say hi", *, seconds: float = 240) -> dict[str, Any]:
        """Run one headless turn and return its JSON result."""
        done = subprocess.run(
            self.command(words, "--output-format", "json"),
            env=self.environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        try:
            result: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"exit {done.returncode}: {done.stdout} {done.stderr}") from None
        return result

    def start(self, words: str = "say hi") -> subprocess.Popen[str]:
        """Start one headless turn."""
        return subprocess.Popen(
            self.command(words, "--output-format", "json"),
            env=self.environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def converse(self) -> Conversation:
        """Start one process that takes several turns."""
        words = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
        complaints = self.folder / "complaints"
        with complaints.open("w") as stderr:
            process = subprocess.Popen(
                self.command(*words),
                env=self.environ,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        return Conversation(process, complaints)


@dataclass(slots=True)
class Conversation:
    """Several turns in one process, with pauses of one's own between them."""

    process: subprocess.Popen[str]
    # What it wrote to standard error.
    complaints: Path

    def turn(self, words: str) -> dict[str, Any]:
        """Say something and return the result of that turn."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        content = [{"type": "text", "text": words}]
        line = {"type": "user", "message": {"role": "user", "content": content}}
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        deadline = time.monotonic() + 240
        for raw in self.process.stdout:
            event: dict[str, Any] = json.loads(raw)
            if event.get("type") == "result":
                return event
            assert time.monotonic() < deadline
        raise AssertionError("it ended without a result")

    def end(self) -> None:
        """Close it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
