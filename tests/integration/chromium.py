"""A real Chromium without a window, and a user for the pages of an OpenID provider in it.

Driven over DevTools' pipe, so that nothing but the browser itself is needed. Run as a program it is
what `BROWSER` names: `python -m integration.chromium REPORT USER URL` walks the pages from URL on and
writes what it saw to REPORT, a JSON line per page.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

__all__ = ["Browser", "Chromium", "missing"]

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_PATIENCE = 90.0
# Marks a document that was dealt with: the next one does not have it. A form without a button is
# submitted by its own script; to do so a second time would cancel the first.
_BUTTON = '"button[type=submit], input[type=submit], form button"'
_LOOK = f"""(() => {{
  if (document.readyState !== "complete" || window.dealtWith) return null;
  if (document.forms.length > 0 && !document.querySelector({_BUTTON})) return null;
  return {{url: location.href, title: document.title, text: document.body.innerText,
          fields: [...document.querySelectorAll("input")].map(each => each.name),
          form: document.forms.length > 0}};
}})()"""
_ACT = """(() => {
  window.dealtWith = true;
  const field = name => document.querySelector(`input[name=${name}]`);
  if (field("login")) { field("login").value = USER; field("password").value = "x"; }
  document.querySelector(BUTTON).click();
})()""".replace("BUTTON", _BUTTON)


def missing() -> str | None:
    """Return why there is no browser, None where there is one."""
    return None if _program() else "chromium is not installed"


class Chromium:
    """One browser with one page and a profile of its own."""

    def __init__(self, *flags: str) -> None:
        """Start it; *flags* besides the usual ones."""
        self._profile = tempfile.mkdtemp(prefix="cw-chromium-")
        program = _program()
        assert program is not None
        command_end, self._commands = os.pipe()
        self._answers, answer_end = os.pipe()
        # The browser reads commands at descriptor 3 and answers at 4: the shell puts them there, from
        # numbers that cannot be one of these.
        command_end, answer_end = _high(command_end), _high(answer_end)
        script = f'exec "$0" "$@" 3<&{command_end} 4>&{answer_end}'
        self._process = subprocess.Popen(
            [
                "/bin/bash", "-c", script,
                program, *_FLAGS, *flags, f"--user-data-dir={self._profile}", "about:blank",
            ],
            pass_fds=(command_end, answer_end),
            env={
                name: value
                for name, value in os.environ.items()
                if name in {"PATH", "HOME", "TMPDIR", "LANG"}
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(command_end)
        os.close(answer_end)
        self._received = bytearray()
        self._number = 0
        self._session: str | None = None
        targets = self._send("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self._send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        with contextlib.suppress(OSError):
            self._send("Browser.close")
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        shutil.rmtree(self._profile, ignore_errors=True)

    def walk(self, url: str, user: str) -> list[dict[str, Any]]:
        """Go to *url*, log in as *user* and say yes until a page has no form; return the pages."""
        self._send("Page.navigate", url=url)
        pages: list[dict[str, Any]] = []
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            page = self.evaluate(_LOOK)
            if page is None or page["url"] == "about:blank":
                time.sleep(0.03)
                continue
            pages.append(page)
            if not page["form"]:
                return pages
            self.evaluate(_ACT.replace("USER", json.dumps(user)))
        raise AssertionError(f"the pages never end: {pages}")

    def look(self, url: str, *, dark: bool, width: int = 900, height: int = 640) -> bytes:
        """Open *url* as a user who likes light or dark pages; return a picture of it (PNG)."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])
        self._send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self._send("Page.navigate", url=url)
        deadline = time.monotonic() + _PATIENCE
        ready = f"document.readyState === 'complete' && location.href === {json.dumps(url)}"
        while not self.evaluate(ready):
            assert time.monotonic() < deadline, f"{url} is never there"
            time.sleep(0.03)
        return base64.b64decode(self._send("Page.captureScreenshot")["data"])

    def open(self, url: str) -> None:
        """Go to *url*; nobody waits for it."""
        self._send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return the value of *expression*, None where the document is being replaced."""
        try:
            found = self._send("Runtime.evaluate", expression=expression, returnByValue=True)
        except LookupError:
            return None
        return found["result"].get("value")

    def _send(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        words: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            words["sessionId"] = self._session
        os.write(self._commands, json.dumps(words).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise LookupError(answer["error"]["message"])
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while (end := self._received.find(0)) < 0:
            if not (chunk := os.read(self._answers, 65536)):
                raise OSError("the browser is gone")
            self._received += chunk
        found: dict[str, Any] = json.loads(bytes(self._received[:end]))
        del self._received[: end + 1]
        return found


class Browser:
    """What `BROWSER` may name: a program in *folder* that opens pages as *user* would.

    *lingers*: it stays in the foreground after its pages are done, as a browser's own window does,
    until it is told to `leave`.
    """

    def __init__(self, folder: Path, user: str = "alice", *, lingers: bool = False) -> None:
        """Write the program."""
        self._report = folder / f"pages-{user}"
        self.path = folder / f"browser-{user}"
        self._left = folder / f"left-{user}"
        tests = Path(__file__).parents[1]
        command = f"'{sys.executable}' -m integration.chromium '{self._report}' {user} \"$1\""
        stay = f"for _ in $(seq 3000); do [ -e '{self._left}' ] && exit; sleep 0.1; done"
        self.path.write_text(
            "#!/bin/sh\n"
            f"export PYTHONPATH='{tests}'\n"
            + (f"{command}; {stay}\n" if lingers else f"exec {command}\n")
        )
        self.path.chmod(0o700)

    def leave(self) -> None:
        """Have the one that lingers closed."""
        self._left.touch()

    @property
    def pages(self) -> list[dict[str, Any]]:
        """What was seen so far."""
        try:
            return [json.loads(line) for line in self._report.read_text().splitlines()]
        except FileNotFoundError:
            return []

    def last(self) -> dict[str, Any]:
        """Return the last page, once the user is at the end of them."""
        deadline = time.monotonic() + _PATIENCE
        while not self.pages:
            assert time.monotonic() < deadline, "the browser was never opened"
            time.sleep(0.05)
        return self.pages[-1]


def _high(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _main(report: str, user: str, url: str) -> None:
    with Chromium() as browser:
        pages = browser.walk(url, user)
    with Path(report).open("a") as lines:
        # At once: a reader sees all of a walk or nothing.
        lines.write("".join(json.dumps(page) + "\n" for page in pages))


if __name__ == "__main__":
    _main(*sys.argv[1:])
