"""A daemon that is the first process of a container: with it, everything in there ends."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import threading
from http.client import HTTPException
from pathlib import Path

import pytest

from fakes.oauth_server import Answer, Asked, OAuthServer
from integration.daemon import DaemonFactory, permit_all
from waiting import until

INSIDE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def permitted() -> bool:
    found = shutil.which("unshare") is not None and os.geteuid() == 0
    return found and subprocess.run([*INSIDE, "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not permitted(), reason="needs root and pid namespaces")
def test_t10_a_container_that_is_stopped_waits_for_a_renewal(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """SIGTERM while the server has replaced the token already: the new one is kept, no login is lost."""
    with OAuthServer() as server:
        daemon = start_daemon.prepare(
            permit_all(tmp_path) + "[credentials.gateway]\n"
            f'provider = "oauth"\nissuer = "{server.issuer}"\nclient_id = "client-1"\ngrant = "g"\n'
            'scope = "openid offline_access"\n'
        )
        daemon.wrapper = INSIDE
        daemon.start()
        assert daemon.hand_over("g", server.grant()).status == 200

        def late(asked: Asked) -> Answer:
            return dataclasses.replace(server._serve(asked, "token"), delay=2.0)

        server.script = [late]

        def ask() -> None:
            # Who asked goes away with the listener: that is not the question here.
            with contextlib.suppress(OSError, HTTPException):
                daemon.get("gateway")

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        until(lambda: any(each.path.endswith("/token") for each in server.log))
        (first,) = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        assert daemon.process is not None
        daemon.process.wait(60)
        asking.join(60)

        daemon.wrapper = ()
        daemon.start()

        assert daemon.get("gateway").status == 200
        assert len([each for each in server.log if each.path.endswith("/token")]) == 2
