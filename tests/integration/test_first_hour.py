"""The page `docs/first-hour.md` is true: from a clean home to a clean home, with what people have.

A real OpenID provider, a real browser, the real Claude Code, in an account of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.messages_api import MessagesApi
from integration import chromium
from integration.accounts import Account, clean_account, install
from integration.chromium import Browser
from integration.claude_code import find_claude
from integration.command_line import by_owner
from integration.console import check_page
from integration.oidc import OidcProvider

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OidcProvider.missing() is not None, reason=str(OidcProvider.missing())),
    pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing())),
    pytest.mark.timeout(600),
    by_owner,
]


@pytest.fixture
def account() -> Iterator[Account]:
    """A clean home."""
    with clean_account() as made:
        yield made


def test_the_first_hour_and_the_way_back(account: Account, tmp_path: Path) -> None:
    """Each command of the page answers as the page says."""
    programs = account.folder / "bin"
    install("musl", programs)
    claude = programs / "claude"
    claude.write_text(f'#!/bin/sh\nexec {" ".join(find_claude())} "$@"\n')
    claude.chmod(0o755)
    browser = Browser(tmp_path)
    with OidcProvider() as idp, MessagesApi() as api:
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "BROWSER": str(browser.path),
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        }

        def run(command: str) -> str:
            done = account.run("/bin/sh", "-c", f"{command} 2>&1", **environment)
            return done.stdout

        lent = {
            "https://login.example.com": idp.issuer,
            "https://llm.example.com": api.url,
            "/home/me/.local/bin": str(Path(sys.executable).parent),
            "/home/me": str(account.home),
        }
        check_page(DOCS / "first-hour.md", run, lent)
        assert {seen.status for seen in api.seen} == {200}
        assert len({seen.token for seen in api.seen}) == 2
