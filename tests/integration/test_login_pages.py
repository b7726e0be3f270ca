"""The last page of a login in a real browser: readable by day and by night, and quiet."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from credward.providers import login_pages
from integration import chromium
from integration.chromium import Chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing())),
]

PAGES = {
    "done": login_pages.done("gateway", "ada.lovelace@analytical-engines.example.com"),
    "failed": login_pages.failed(
        "gateway",
        '"gateway" was not logged in, it was denied (access_denied): run credward login gateway',
    ),
}
# Colours as the browser has computed them, and how far the page runs out of its window.
_FACTS = """(() => {
  const colour = (where, what) => getComputedStyle(document.querySelector(where))[what];
  return {back: colour("main", "backgroundColor"), texts: ["h1", "dt", "dd", "p", ".by"].map(
            where => colour(where, "color")),
          sign: colour("svg", "stroke"), text: document.body.innerText,
          wide: document.documentElement.scrollWidth - innerWidth,
          loaded: performance.getEntriesByType("resource").length};
})()"""


@contextmanager
def served(page: bytes) -> Iterator[str]:
    """Answer every visitor with *page*."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    visitor, _ = listener.accept()
                except OSError:
                    return
                with visitor:
                    # A browser opens connections that it never uses.
                    if visitor.recv(65536):
                        visitor.sendall(page)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/callback?code=c&state=s"
        listener.shutdown(socket.SHUT_RDWR)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2, 1.4.3)."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(each) / 255 for each in colour.strip("rgb()").split(", ")]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return sum(share * each for share, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_is_readable_by_day_and_by_night(tmp_path: Path, name: str, dark: bool) -> None:
    """Its style is let in by the policy; enough contrast; nothing is cut off on a phone."""
    with served(PAGES[name]) as url, Chromium() as browser:
        picture = browser.look(url, dark=dark)
        facts: dict[str, Any] = browser.evaluate(_FACTS)
        browser.look(f"{url}&narrow", dark=dark, width=320, height=640)
        narrow = browser.evaluate(_FACTS)["wide"]
    (tmp_path / f"{name}-{'dark' if dark else 'light'}.png").write_bytes(picture)

    assert (_luminance(facts["back"]) < 0.1) is dark
    assert min(contrast(facts["back"], each) for each in facts["texts"]) >= 4.5
    assert contrast(facts["back"], facts["sign"]) >= 3
    assert "gateway" in facts["text"]
    assert "You can close this window" in facts["text"]
    assert (facts["wide"], narrow, facts["loaded"]) == (0, 0, 0)
