"""Completion in the real shells, as it is set up by their users: what Tab makes of a line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration import terminal_window
from integration.daemon import BROKER
from integration.terminal_window import Window

CONFIG = """
[credentials.gateway]
provider = "local"
[credentials.search]
provider = "local"
"""
# How it is switched on, after a start without the user's own settings.
SHELLS = {
    "bash": (("bash", "--norc", "-i"), 'PS1="$ "; eval "$(credward completion bash)"'),
    "zsh": (
        ("zsh", "-f", "-i"),
        'PS1="$ "; autoload -Uz compinit && compinit -u -D; eval "$(credward completion zsh)"',
    ),
    "fish": (
        ("fish", "--no-config", "-i"),
        # What it guesses from its history is not ours.
        "set -g fish_autosuggestion_enabled 0; credward completion fish | source",
    ),
}
LINES = {
    "credward stat": "credward status",
    "credward daemon rel": "credward daemon reload",
    "credward setup claude": "credward setup claude-code",
    "credward status --wa": "credward status --watch",
    "credward get gate": "credward get gateway",
    "credward status gateway sea": "credward status gateway search",
    "credward get --format hea": "credward get --format headers",
    "credward get --format gcp": "credward get --format gcp-executable",
    "credward get --format headers gateway sea": "credward get --format headers gateway search",
    "credward add new --provider vau": "credward add new --provider vault",
    "credward run --with gate": "credward run --with gateway",
    "credward run --with gateway=azure-a": "credward run --with gateway=azure-app-service",
    "credward login --method dev": "credward login --method device",
    "credward serve --log-level warn": "credward serve --log-level warning",
}
# What takes longer to load than a user who presses Tab waits.
HEAVY = {
    *("asyncio", "boto3", "cedarpy", "cryptography", "http.client", "jwt", "keyring", "msal"),
    *("prometheus_client", "segno", "ssl", "urllib3", "webbrowser", "credward.daemon"),
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home with two credentials, and `credward` on the search path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "credward"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m credward "$@"\n')
    program.chmod(0o700)
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    file.chmod(0o600)
    return {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(BROKER),
        "CREDWARD_CONFIG": str(file),
        "CREDWARD_NO_START": "1",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }


@pytest.fixture(
    params=[
        pytest.param("bash"),
        pytest.param("zsh", marks=pytest.mark.slow),
        pytest.param("fish", marks=pytest.mark.slow),
    ]
)
def window(
    request: pytest.FixtureRequest, tmp_path: Path, environment: dict[str, str]
) -> Iterator[Window]:
    """The shell with completion switched on."""
    if reason := terminal_window.missing():
        pytest.skip(reason)
    words, switch_on = SHELLS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    with Window(tmp_path, environment, shell=words) as window:
        window.run(f"{switch_on}; echo switched on".replace("switched on", "switched' 'on"))
        window.wait_for("switched on")
        yield window


def test_tab_completes(window: Window) -> None:
    """Commands, options, tools, names, formats, providers, ways and levels."""
    for typed, whole in LINES.items():
        window.run("clear")
        window.type(typed)
        window.press("Tab", "C-a")
        # The shell says what it has now; a blank keeps it apart from what was typed.
        window.type("echo 'line: ' ")
        window.press("Enter")
        window.wait_for(f"\nline:  {whole}")


@pytest.mark.parametrize("line", [*LINES, "credward ", "credward secret rm x", "credward doctor g"])
def test_no_heavy_module_is_loaded_to_complete(line: str, environment: dict[str, str]) -> None:
    """A user who presses Tab waits for it."""
    words = line.split(" ")
    script = (
        "import sys, json, atexit\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['credward']\nfrom credward.__main__ import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment
        | {
            "_CREDWARD_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )

    if line in LINES:
        assert done.stdout.split() == [f"plain,{LINES[line].rsplit(' ', 1)[1]}"]
    assert HEAVY & set(json.loads(done.stderr)) == set()
