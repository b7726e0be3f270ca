"""Real clients as processes: programs that use one client for each line, and command lines.

Which versions is up to `client_tools`, what the programs do to `client_programs`.
"""

from __future__ import annotations

import contextlib
import functools
import re
import select
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from integration import client_tools
from integration.client_tools import GO, JAVA, JAVASCRIPT, PROGRAMS, PYTHON, MissingError

__all__ = [
    "Anew",
    "Client",
    "Commands",
    "Conversation",
    "aws_cli_1",
    "aws_cli_2",
    "gcloud",
    "in_go",
    "in_java",
    "in_javascript",
    "in_python",
    "named",
]

PATIENCE = 90.0


class Conversation:
    """A program that uses its client once for each line."""

    def __init__(self, command: list[str], environ: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command, env=dict(environ), cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def use(self) -> str:
        """Return "ok", or what the client said."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        if not ready:
            return f"no answer in {PATIENCE:.0f} s"
        return self._process.stdout.readline().strip() or self._failure()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate()

    def _failure(self) -> str:
        assert self._process.stderr is not None
        return f"ended: {self._process.stderr.read()[-2000:]}"


class Anew:
    """The same program, started anew for each use: for a client that keeps what it has for long."""

    def __init__(self, command: list[str], environ: Mapping[str, str], folder: Path) -> None:
        self._start = functools.partial(Conversation, command, environ, folder)

    def use(self) -> str:
        """Return "ok", or what the client said."""
        running = self._start()
        try:
            return running.use()
        finally:
            running.close()

    def close(self) -> None:
        """Nothing is left."""


class Commands:
    """A command line, run anew for each use."""

    def __init__(self, command: list[str], environ: Mapping[str, str], folder: Path) -> None:
        self._command = command
        self._environ = dict(environ)
        self._folder = folder

    def use(self) -> str:
        """Return "ok", or what the program said."""
        done = subprocess.run(
            self._command, env=self._environ, cwd=self._folder, text=True, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        return "ok" if done.returncode == 0 else f"{done.returncode}: {done.stderr[-2000:]}"

    def close(self) -> None:
        """Nothing is left."""


@dataclass(frozen=True)
class Client:
    """*name* as the table has it; *make* gives its command, its version, and more variables."""

    name: str
    make: Callable[[], tuple[list[str], str, dict[str, str]]]
    kind: type[Conversation | Commands] = Conversation


def in_python(package: str, kind: str) -> Client:
    def make() -> tuple[list[str], str, dict[str, str]]:
        program = [str(client_tools.python()), str(PROGRAMS / "using.py"), kind]
        return program, PYTHON[package], {}

    return Client(f"Python {package}", make)


def in_javascript(package: str, kind: str) -> Client:
    def make() -> tuple[list[str], str, dict[str, str]]:
        program, folder = client_tools.node()
        command = [program, str(PROGRAMS / "using.mjs"), kind]
        return command, JAVASCRIPT[package], {"PACKAGES": str(folder)}

    return Client(f"JavaScript {package}", make)


def in_go(module: str, kind: str) -> Client:
    def make() -> tuple[list[str], str, dict[str, str]]:
        return [str(client_tools.go()), kind], GO[module], {}

    return Client(f"Go {module.removeprefix('github.com/')}", make)


def in_java(package: str, kind: str) -> Client:
    def make() -> tuple[list[str], str, dict[str, str]]:
        return [*client_tools.java(), kind], JAVA[package], {}

    return Client(f"Java {package}", make)


def aws_cli_1() -> tuple[list[str], str, dict[str, str]]:
    program = client_tools.python().with_name("aws")
    return [str(program), "sts", "get-caller-identity"], PYTHON["awscli"], {}


def aws_cli_2() -> tuple[list[str], str, dict[str, str]]:
    program, version = client_tools.aws_cli_2()
    return [str(program), "sts", "get-caller-identity", "--no-cli-pager"], version, {}


def gcloud() -> tuple[list[str], str, dict[str, str]]:
    program = shutil.which("gcloud")
    if program is None:
        raise MissingError("gcloud is not installed")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=120)
    found = re.search(r"Google Cloud SDK (\S+)", told.stdout)
    command = [program, "projects", "describe", "project", "--quiet"]
    return command, found[1] if found else "", {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}


def named(client: Client, suffix: str) -> Client:
    return Client(f"{client.name} {suffix}", client.make, client.kind)
