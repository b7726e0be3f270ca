"""A real terminal window without a window: tmux, whose screen can be read as a person sees it."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from waiting import until

__all__ = ["Window", "missing"]


def missing() -> str | None:
    """Return why there is no tmux, None where there is one."""
    return None if shutil.which("tmux") else "tmux is not installed"


class Window:
    """One window with a shell in *folder*, and what is on its screen."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        columns: int = 80,
        rows: int = 24,
        shell: tuple[str, ...] = ("sh",),
    ) -> None:
        """Open it; the shell prompts with `$ `."""
        self._sockets = Path(tempfile.mkdtemp(prefix="cw-tmux-"))
        # Of the server, from which the shell has it. A user's own settings are not read.
        self._environment = {
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PS1": "$ ",
            **{name: value for name, value in environment.items() if name != "TMUX"},
        }
        self.tmux(
            *("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder)),
            shlex.join(shell),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.tmux("kill-server")
        shutil.rmtree(self._sockets, ignore_errors=True)

    def tmux(self, *words: str) -> str:
        """Run one of its commands."""
        return subprocess.run(
            ["tmux", "-S", str(self._sockets / "s"), "-f", "/dev/null", *words],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def type(self, text: str) -> None:
        """Type characters, as they are."""
        self.tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names, such as `Enter` and `C-c`."""
        self.tmux("send-keys", *keys)

    def run(self, line: str) -> None:
        """Type a line."""
        self.type(line)
        self.press("Enter")

    def screen(self) -> list[str]:
        """Return the lines on the screen, without blanks at their ends, and empty ones at its."""
        lines = [line.rstrip() for line in self.tmux("capture-pane", "-p").split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def fact(self, name: str) -> str:
        """Return what tmux calls so, such as `cursor_flag` and `alternate_on`."""
        return self.tmux("display-message", "-p", f"#{{{name}}}").strip()

    def wait_for(self, words: str) -> list[str]:
        """Return the screen as soon as it has these words."""
        try:
            return until(lambda: words in "\n".join(seen := self.screen()) and seen) or []
        except AssertionError as error:
            raise AssertionError(f"no {words!r} on {self.screen()}") from error
