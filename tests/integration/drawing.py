"""Draws what `credward status --watch` shows, for the README: a real screen, as SVG.

A real daemon, a login at a real OpenID provider, four agents that ask, a terminal of 80 columns.
Only the time of day and an age are made up, so that a drawing differs from the last one only if
credward does.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import NamedTuple

import waiting
from integration import terminal_window
from integration.agent_programs import agent
from integration.command_line import command, log_in
from integration.daemon import DaemonFactory
from integration.oidc import OidcProvider, User
from integration.terminal_window import Window

__all__ = ["draw", "main", "missing", "screen"]

_CONFIG = """
[grants.team]
issuer = "{issuer}"
client_id = "credward"

[grants.work]
issuer = "{issuer}"
client_id = "credward"

[credentials.gateway]
provider = "oauth"
grant = "team"
scope = "openid offline_access email"

[credentials.foundry]
provider = "oauth"
grant = "work"
scope = "openid offline_access"

[credentials.release-signing-key]
provider = "local"
lifetime = 28800

[credentials.search-api]
provider = "command"
command = ["/bin/sh", "-c", "echo search-1"]
lifetime = 28800
"""
# Who asks for what, in which folder; the last one needs the login.
_LAST = "claude"
_AGENTS = (
    ("codex", "src/api", ["foundry"]),
    ("gemini", "src/release", ["release-signing-key"] * 2),
    ("aider", "notes", ["search-api"] * 3),
    (_LAST, "src/app", ["gateway"] * 5),
)
# An hour and minutes, which stay as they are while the picture is taken.
_LIFE = "28800"
_ROWS = 17
_CLOCK = "09:41:00"
_PLACE, _LINE, _MARGIN = 8.4, 19, 16
# Colours of a terminal by their number (ISO 6429), and of its window.
_COLOURS = {
    "light": {
        "back": "#ffffff", "edge": "#d0d7de", "text": "#1f2328",
        31: "#b3261e", 32: "#1a7f37", 33: "#8a5a00", 36: "#0a6b78",
    },
    "dark": {
        "back": "#0d1117", "edge": "#30363d", "text": "#e6edf3",
        31: "#ff7b72", 32: "#56d364", 33: "#e3b341", 36: "#76e3ea",
    },
}  # fmt: skip


class _Style(NamedTuple):
    bold: bool = False
    colour: int | None = None


class _Words(NamedTuple):
    at: int
    style: _Style
    text: str


def missing() -> str | None:
    """Return why nothing can be drawn here, None where it can."""
    return terminal_window.missing() or OidcProvider.missing()


def screen() -> str:
    """Return the screen with the words of its colours."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as until:
        idp = until.enter_context(OidcProvider(ACCESS_TTL=_LIFE))
        factory = DaemonFactory(Path(folder))
        until.callback(factory.close)
        daemon = factory(_CONFIG.format(issuer=idp.issuer))
        for name, place, asked in _AGENTS:
            if name == _LAST:
                # Late, so that the ages in the picture have two digits on a slow machine too.
                with User("ada") as user:
                    log_in(daemon, "gateway", lambda url: _come_back(user, url))
            until.enter_context(agent(daemon, name, daemon.home / place, asked))
        window = until.enter_context(Window(daemon.home, daemon.environment, rows=_ROWS))
        window.run(shlex.join([*command("status"), "--watch"]))
        window.wait_for("needs a login")
        waiting.until(lambda: re.search(r" \d\ds ago", "\n".join(window.screen())))
        drawn = window.tmux("capture-pane", "-p", "-e")
        window.press("q")
    return re.sub(r"\d\ds ago", "12s ago", re.sub(r"\d\d:\d\d:\d\d", _CLOCK, drawn))


def draw(text: str, theme: str) -> str:
    """Return *text* as a picture for readers who like *theme*."""
    colours = _COLOURS[theme]
    lines = list(_lines(text.rstrip()))
    width, height = round(80 * _PLACE + 2 * _MARGIN), len(lines) * _LINE + 2 * _MARGIN
    rows = "\n".join(
        f'<text y="{_MARGIN + _LINE * number + 14}">{"".join(_spans(line, colours))}</text>'
        for number, line in enumerate(lines)
        if line
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" '
        f'fill="{colours["text"]}">\n'
        "<title>credward status --watch</title>\n"
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="{colours["back"]}" stroke="{colours["edge"]}"/>\n{rows}\n</svg>\n'
    )


def _spans(line: Sequence[_Words], colours: Mapping[object, str]) -> Iterator[str]:
    """Yield a span for each word group, at its place: no font has to be as wide as ours."""
    for at, style, text in line:
        looks = ' font-weight="700"' if style.bold else ""
        looks += "" if style.colour is None else f' fill="{colours[style.colour]}"'
        yield (
            f'<tspan x="{_MARGIN + at * _PLACE:.1f}" textLength="{len(text) * _PLACE:.1f}"{looks}>'
            f"{escape(text, quote=False)}</tspan>"
        )


def _lines(text: str) -> Iterator[list[_Words]]:
    """Yield what stands together in each line; a style lasts until the next one."""
    style = _Style()
    for line in text.split("\n"):
        found, at = [], 0
        # Texts and codes in turn.
        for number, part in enumerate(re.split(r"\x1b\[([\d;]*)m", line)):
            if number % 2:
                for code in part.split(";"):
                    style = _changed(style, int(code or 0))
                continue
            found += [
                _Words(at + words.start(), style, words[0])
                for words in re.finditer(r"[^ ]+(?: [^ ]+)*", part)
            ]
            at += len(part)
        yield found


def _changed(style: _Style, code: int) -> _Style:
    match code:
        case 0:
            return _Style()
        case 1:
            return style._replace(bold=True)
        case 39:
            return style._replace(colour=None)
        case 49:
            # The background, which has no colour of its own.
            return style
        case _ if 30 <= code <= 37:
            return style._replace(colour=code)
    raise ValueError(f"no drawing for the code {code}")


def _come_back(user: User, url: str) -> None:
    import requests

    requests.get(user.go(url), timeout=60).raise_for_status()


def main(folder: Path) -> None:
    """Write the pictures for both themes to *folder*."""
    if (reason := missing()) is not None:
        raise SystemExit(reason)
    text = screen()
    for theme in _COLOURS:
        (folder / f"status-{theme}.svg").write_text(draw(text, theme))
