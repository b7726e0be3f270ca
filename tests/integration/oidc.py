"""A real OpenID provider as a child of the test (oidc-provider under node), and a user for its pages.

`OidcProvider.missing()` says why there is none; the server itself is `tests/fakes/oidc_provider.mjs`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

import requests

__all__ = ["OidcProvider", "User"]

_PROGRAM = Path(__file__).parents[1] / "fakes/oidc_provider.mjs"
_PATIENCE = 90.0


class OidcProvider:
    """One server, alone with its state; `events` is what it told so far, in order."""

    def __init__(self, **settings: str) -> None:
        """Start it; *settings* are the variables that the program names."""
        self.events: list[dict[str, Any]] = []
        self._told = threading.Condition()
        self._process = subprocess.Popen(
            ["node", str(_PROGRAM)],
            env={"PATH": os.environ["PATH"], "OIDC_PROVIDER": str(_folder()), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.issuer: str = self.wait_for("listening")["issuer"]

    @staticmethod
    def missing() -> str | None:
        """Return why it cannot run here, None where it can."""
        if shutil.which("node") is None:
            return "node is not installed"
        if not (_folder() / "node_modules/oidc-provider").is_dir():
            return f"no oidc-provider in {_folder()} (npm install oidc-provider, or CREDWARD_OIDC_PROVIDER)"
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, with all that it knows."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def wait_for(self, event: str, **words: Any) -> dict[str, Any]:
        """Return the first event of this name with these words, once there is one."""
        deadline = time.monotonic() + _PATIENCE
        with self._told:
            while not (found := list(self.told(event, **words))):
                left = deadline - time.monotonic()
                assert left > 0, f"no {event} among {self.events}"
                assert self._process.poll() is None or event != "listening", "it did not start"
                self._told.wait(min(left, 0.5))
        return found[0]

    def told(self, event: str, **words: Any) -> Iterator[dict[str, Any]]:
        """Yield the events of this name with these words so far."""
        wanted = {"event": event, **words}
        return (each for each in list(self.events) if wanted.items() <= each.items())

    def count(self, event: str, **words: Any) -> int:
        """Return how many there were so far; what was answered before is counted."""
        return sum(1 for _ in self.told(event, **words))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._told:
                self.events.append(json.loads(line))
                self._told.notify_all()


class User:
    """Somebody with a browser, without eyes: follows redirects, fills in and sends every form."""

    def __init__(self, name: str = "alice") -> None:
        """Be *name*; any password is right."""
        self._name = name
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def go(self, url: str, *, end: str = "/callback") -> str:
        """Go to *url* and on; return the URL with the path *end* that it comes out at, else the last one."""
        response = self._get(url)
        for _ in range(20):
            if 300 <= response.status_code < 400:
                url = urljoin(url, response.headers["Location"])
                if url.partition("?")[0].endswith(end):
                    return url
                response = self._get(url)
            elif (form := _form(response.text)) is not None and response.status_code == 200:
                action, fields = form
                url = urljoin(url, action)
                if "login" in fields:
                    fields |= {"login": self._name, "password": "x"}
                response = self._session.post(
                    url, data=fields, allow_redirects=False, timeout=_PATIENCE
                )
            else:
                assert response.status_code == 200, response.text[:500]
                return url
        raise AssertionError("the pages never end")

    def _get(self, url: str) -> requests.Response:
        return self._session.get(url, allow_redirects=False, timeout=_PATIENCE)


def _form(page: str) -> tuple[str, dict[str, str]] | None:
    """Return the action and the fields of the first form that is posted."""
    found = re.search(r"<form[^>]*>.*?</form>", page, re.DOTALL)
    if found is None or not (action := _attribute(found[0], "action")):
        return None
    fields = {}
    for tag in re.findall(r"<input[^>]*>", found[0]):
        if name := _attribute(tag, "name"):
            fields[name] = _attribute(tag, "value")
    return action, fields


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


def _folder(environ: Mapping[str, str] = os.environ) -> Path:
    given = environ.get("CREDWARD_OIDC_PROVIDER", "~/.cache/credward-tests/oidc-provider")
    return Path(given).expanduser()
