"""Runs the transcripts beside this file: what the helpers ask, print and answer, whatever daemon they meet.

The same dialogues are held with every build of the C helper, and with its Python twin as far as a script sees it; those
about places and trust with the command line too.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.daemon import CannedDaemon
from transcripts.dialogue import Dialogue, matches, read_dialogues
from transcripts.programs import BUILDS, ROOT, VERSION, first_here, program

HERE = Path(__file__).resolve().parent
HELPER = "credward-helper"
DIALOGUES = [each for path in sorted(HERE.glob("*.txt")) for each in read_dialogues(path)]


def _programs(dialogue: Dialogue) -> tuple[str, ...]:
    """Return who is held to a dialogue: one rule for places binds all that ask."""
    if dialogue.command[0] != HELPER:
        return (dialogue.command[0],)
    asks_as_well = ("credward get",) if dialogue.origin.startswith("helper_places:") else ()
    return (*BUILDS, *asks_as_well, *(("twin",) if _is_for_all(dialogue) else ()))


def _is_for_all(dialogue: Dialogue) -> bool:
    """Whether it is about more than how the native helper reads words and HTTP."""
    of_its_own = dialogue.status in {None, 200} and (dialogue.exit == 64 or not dialogue.listens)
    http = dialogue.script or not dialogue.measured
    if dialogue.origin.startswith("helper_status:"):
        # `credward status` does without the twin, which would be a second interpreter.
        return False
    return not http and not (of_its_own and (dialogue.out or dialogue.exit == 64))


# The twin has the words of `credward get`, and asks for JSON; elsewhere it is held to what a script
# sees of it: exit code, standard output, one line.
_WORD_FOR_WORD = ("helper_places:", "helper_claims:")

# The others of `BUILDS`, and what takes an interpreter with all of its modules, are slow.
QUICK = {first_here(*BUILDS), "twin", "credward"}
RUNS = [
    pytest.param(
        *(dialogue, name),
        id=f"{dialogue.origin}-{name}",
        marks=() if name in QUICK else pytest.mark.slow,
    )
    for dialogue in DIALOGUES
    for name in _programs(dialogue)
]


_KIND = re.compile(rb"(?<=\()(?:(?:static|dynamic) \w+|Python)(?=\)\n)")
_TIMEOUT = re.compile(r"(?<=[?&]timeout=)[0-9.]+")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's."""
    path = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
    (path / "run").mkdir(mode=0o700)
    (path / "home").mkdir(mode=0o700)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize(("dialogue", "name"), RUNS)
def test_transcript(dialogue: Dialogue, name: str, directory: Path) -> None:
    """The dialogue goes as it is written."""
    command = program(name)
    if command is None:
        pytest.skip(f"no compiler for {name}")
    if not dialogue.listens and _somebody_listens():
        pytest.skip("a daemon of this machine would be found")
    _set_up(dialogue, directory)

    with ExitStack() as stack:
        daemon = None
        if dialogue.listens:
            daemon = CannedDaemon(directory / dialogue.socket, dialogue.steps())
            stack.enter_context(daemon)
        began = time.monotonic()
        done = subprocess.run(
            [*command, *(_place(word, directory) for word in dialogue.command[1:])],
            env=_environment(dialogue, directory),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        took = time.monotonic() - began
    said = done.stderr.decode().splitlines()
    heads = daemon.asked[-1].split("\r\n") if daemon and daemon.asked else []

    assert done.returncode == dialogue.exit, said
    shown = _KIND.sub(b"{KIND}", done.stdout.replace(VERSION.encode(), b"dev"))
    assert shown == dialogue.out.replace(b"{VERSION}", b"dev")
    assert len(said) == len(dialogue.err), said
    if name == "twin" and not dialogue.origin.startswith(_WORD_FOR_WORD):
        return
    for pattern, line in zip(dialogue.err, said, strict=True):
        assert matches(_place(pattern, directory), line), line
    for pattern in dialogue.asked:
        assert any(_was_asked(pattern, line, took) for line in heads), heads


def test_every_dialogue_says_what_it_is_for() -> None:
    """A transcript is a specification: each dialogue has a name of its own and a command."""
    names = [dialogue.name for dialogue in DIALOGUES]

    assert all(dialogue.command for dialogue in DIALOGUES)
    assert len(names) == len(set(names))


def _was_asked(pattern: str, line: str, took: float) -> bool:
    """Compare a line; the time that is left may be shorter by what has passed."""
    given, sent = _TIMEOUT.search(pattern), _TIMEOUT.search(line)
    if given and sent and float(given[0]) - took - 0.1 <= float(sent[0]) <= float(given[0]):
        line = line[: sent.start()] + given[0] + line[sent.end() :]
    return matches(pattern, line)


def _environment(dialogue: Dialogue, directory: Path) -> dict[str, str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(directory / "home"),
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "CREDWARD_NO_START": "1",
        # Leaks are nothing to a process without a heap, and looking for them needs ptrace of ourselves.
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(ROOT / "broker"),
    }
    for name, value in dialogue.environment.items():
        environment[name] = _place(value, directory)
    return {name: text for name, text in environment.items() if name not in dialogue.removed}


def _set_up(dialogue: Dialogue, directory: Path) -> None:
    for kind, words in dialogue.set_up:
        path = directory / words[0]
        match kind:
            case "directory":
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(int(words[1], 8))
            case "file":
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_text(words[1] if len(words) > 1 else "")
            case "link":
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.symlink_to(_place(words[1], directory))
            case "stale":
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with socket.socket(socket.AF_UNIX) as left_behind:
                    left_behind.bind(str(path))


def _place(text: str, directory: Path) -> str:
    return text.replace("{DIR}", str(directory))


def _somebody_listens() -> bool:
    paths = (f"/run/user/{os.geteuid()}/credward", "/run/credward")
    return any(os.path.lexists(place) for place in paths)
