"""The real Claude Code through a login of its user: told what to type, and on with the session."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fakes.messages_api import MessagesApi
from integration import chromium
from integration.chromium import Browser
from integration.claude_code import install
from integration.command_line import by_owner, cli, grant
from integration.daemon import DaemonFactory
from integration.oidc import OidcProvider
from waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OidcProvider.missing() is not None, reason=str(OidcProvider.missing())),
    pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing())),
    pytest.mark.timeout(600),
    by_owner,
]

CONFIG = """
[credentials.gateway]
provider = "oauth"
issuer = "{issuer}"
client_id = "credward"
scope = "openid offline_access email"
base_url = "{url}"
"""
# How long an access token of the provider lives, in seconds.
LIFETIME = 10


@pytest.mark.parametrize("method", ["browser", "device"])
def test_a_session_goes_on_after_the_login(
    start_daemon: DaemonFactory, tmp_path: Path, method: str
) -> None:
    """The provider forgets the login in mid-session: an error with the command, and after it the next turn."""
    browser = Browser(tmp_path)
    with OidcProvider(ACCESS_TTL=str(LIFETIME)) as idp, MessagesApi() as api:
        daemon = start_daemon(CONFIG.format(issuer=idp.issuer, url=api.url))
        login = ("login", "gateway", "--method", method)
        done = cli(daemon, *login, BROWSER=str(browser.path))
        assert done.returncode == 0, done.stderr
        conversation = install(daemon, "gateway", tmp_path, ttl=60).converse()
        try:
            first = conversation.turn("turn 1")
            assert first["is_error"] is False, first
            old = {seen.token for seen in api.seen}
            idp.stop()
            with OidcProvider(ACCESS_TTL=str(LIFETIME), PORT=str(urlsplit(idp.issuer).port)) as new:
                # It knows nobody any more.
                failed = daemon.request("POST", "/v1/credentials/gateway/refresh")
                assert failed.kind == "login-required", failed.text
                # The token that it gave last is handed out until it ends.
                until(
                    lambda: daemon.get("gateway", client_base_url=api.url).kind == "login-required"
                )
                api.refuse = lambda _: True
                second = conversation.turn("turn 2")
                asked = new.count("grant.error")
                line = daemon.status("gateway")["failure"]["message"]

                done = cli(daemon, *login, BROWSER=str(browser.path))
                assert done.returncode == 0, done.stderr
                api.refuse = old.__contains__
                third = conversation.turn("turn 3")
                served = api.seen[-1]
        finally:
            conversation.end()

    assert line.endswith(": run credward login gateway"), line
    assert f"credward: {line}" in conversation.complaints.read_text()
    assert second["is_error"] is True, second
    # Parked: what Claude Code asks again and again does not go upstream.
    assert asked == 1
    assert done.stdout.startswith("logged in as alice@example.com: gateway")
    assert third["is_error"] is False, third
    assert (served.status, served.token in old) == (200, False)
    assert third["session_id"] == first["session_id"]
    assert grant(daemon, "gateway")["parked_at"] is None
