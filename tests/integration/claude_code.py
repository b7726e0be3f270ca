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

__all__ = ["VERSION", "ClaudeCode", "Conversation", "find_claude", "install"]

# Hook behaviour changes between releases; what the tests assert was seen with this one.
VERSION = "2.1.329"
_PACKAGE = "@anthropic-ai/claude-code"


def find_claude() -> Path:
    """Return the native program, installing the pinned package once; skip where that cannot be."""
    named = os.environ.get("TEST_CLAUDE_CODE")
    if named:
        return Path(named)
    machine = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
    system = platform.system().lower()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "credward-tests" / f"claude-code-{VERSION}"
    program = folder / f"node_modules/{_PACKAGE}-{system}-{machine}/claude"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # One of the parallel test processes installs, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            npm = shutil.which("npm")
            if npm is None:
                pytest.skip("npm is not installed, so there is no Claude Code to run")
            done = subprocess.run(
                [npm, "install", "--prefix", str(folder), f"{_PACKAGE}@{VERSION}"],
                capture_output=True,
                timeout=400,
            )
            if done.returncode != 0 or not program.exists():
                pytest.skip(f"npm could not install {_PACKAGE} {VERSION}")
    return program


def install(daemon: RunningDaemon, credential: str, folder: Path, ttl: int = 240) -> ClaudeCode:
    """Have `credward setup claude-code` tell a Claude Code of *credential*; *ttl* in seconds."""
    # Installed as users have it: helper and interpreter side by side.
    claude = find_claude()
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
        ],
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    quiet = {
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "IS_SANDBOX": "1",
    }
    kept = ("HOME", "PATH", "LANG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return ClaudeCode(claude, {**{name: environ[name] for name in kept}, **quiet}, work)


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """The binary with a home and an environment of its own."""

    program: Path
    environ: dict[str, str]
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.program), "-p", *arguments]

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
