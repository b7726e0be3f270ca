"""A refresh token that is brought along while the daemon is finding out that it has none."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakes.oauth_server import OAuthServer
from integration.daemon import DaemonFactory
from integration.test_kills import workers
from waiting import until


def test_t8_a_mint_that_began_without_a_grant_does_not_park_the_one_given_meanwhile(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """T8: its worker takes longer to start than the hand-over takes."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "all.cedar").write_text(
        '@id("all") permit (principal is Caller, action, resource is Credential);\n'
    )
    with OAuthServer() as server:
        daemon = start_daemon(
            f'[policy]\ndirectory = "{tmp_path / "policy"}"\n[store]\nkey = "key_file"\n'
            '[credentials.gateway]\nprovider = "oauth"\n'
            f'issuer = "{server.issuer}"\nclient_id = "client-1"\ngrant_type = "refresh_token"\n'
        )
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(daemon.get, "gateway", timeout=60)
            # Held up as soon as it is there, however quick it is.
            (worker,) = until(lambda: workers(daemon))
            os.kill(worker, signal.SIGSTOP)
            given = daemon.request(
                "POST",
                "/v1/grants/gateway/grant",
                body=json.dumps({"grant": server.grant()}).encode(),
                headers={"Content-Type": "application/json"},
            )
            os.kill(worker, signal.SIGCONT)
        assert given.status == 200, given.text
        answer = asked.result()

        assert answer.status == 200, answer.text
        assert answer.text.startswith("at-")
        assert daemon.get("gateway").text == answer.text
        assert server.paths().count("token") == 1
