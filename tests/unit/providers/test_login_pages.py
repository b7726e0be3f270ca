"""What a browser is shown at the end of a login."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from credward.providers import login_pages

PAGES = {
    "done": login_pages.done("gateway", "ada@example.com"),
    "failed": login_pages.failed("gateway", '"gateway" was not logged in, denied: run credward x'),
    "stranger": login_pages.stranger(),
    "not here": login_pages.not_here("404 Not Found"),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_nothing_is_loaded_and_nothing_runs(page: bytes) -> None:
    """Only its own style, which the browser knows by its hash; of the length that is said."""
    head, _, body = page.decode().partition("\r\n\r\n")
    style = re.findall(r"<style>(.*?)</style>", body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()

    assert len(style) == 1
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; " in head
    assert "unsafe" not in head
    assert f"Content-Length: {len(body.encode())}\r\n" in head
    assert not re.search(r"https?:|src=|href=|url\(|@import|<script|style=|\son\w+=", body)


def test_the_end_says_whose_and_which_and_that_it_may_go() -> None:
    """Without an account where there is none."""
    done, failed = PAGES["done"].decode(), PAGES["failed"].decode()

    assert "<dd><bdi>gateway</bdi></dd><dt>Account</dt><dd><bdi>ada@example.com</bdi></dd>" in done
    assert "Account" not in login_pages.done("gateway", None).decode()
    assert "denied: run credward x" in failed
    assert all("You can close this window" in each for each in (done, failed))


def test_every_name_is_escaped() -> None:
    """Users choose what they are called, servers what they say."""
    evil = "<script>alert(1)</script>\"'&"
    for page in (login_pages.done(evil, evil), login_pages.failed(evil, evil)):
        assert b"<script" not in page
        assert page.count(b"&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;") == 2


def test_strangers_are_told_no_names() -> None:
    """Anybody on the machine, and any page in its browsers, can come here."""
    assert b"<dl>" not in PAGES["stranger"] + PAGES["not here"]
