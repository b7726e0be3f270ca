"""Files that a real daemon keeps fresh: their configuration, and how a test looks at them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from integration.daemon import RunningDaemon
from waiting import until

__all__ = ["audited", "block", "own_folder", "sink", "text"]


def block(credential: str, path: Path, format: str = "token", **words: object) -> str:  # noqa: A002
    """Return the configuration of a sink."""
    lines = [
        "[[sinks]]",
        f'credential = "{credential}"',
        f'path = "{path}"',
        f'format = "{format}"',
    ]
    lines += [f"{key} = {json.dumps(value)}" for key, value in words.items()]
    return "\n".join(lines) + "\n"


def sink(daemon: RunningDaemon, path: Path) -> dict[str, Any]:
    """Return the state of the sink at *path*, as `credward status --json` shows it.

    A daemon follows its configuration after it has said that it is ready.
    """

    def look() -> dict[str, Any] | None:
        listed = daemon.request("GET", "/v1/credentials").json()["sinks"]
        return next((each for each in listed if each["path"] == str(path)), None)

    found = until(look)
    assert found is not None
    return found


def audited(daemon: RunningDaemon) -> list[tuple[str, str]]:
    """Return outcome and format of what the audit log says of the daemon's own requests."""
    lines = (daemon.state_dir / "audit.log").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [
        (each["outcome"], each["format"])
        for each in entries
        if each["caller"].get("door") == "file" and each["caller"].get("handle") == "self"
    ]


def own_folder(path: Path) -> Path:
    """Return a folder that only its owner can change."""
    path.mkdir(mode=0o700)
    return path


def text(path: Path) -> str:
    """Return what is in a file, empty without one."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    return ""
