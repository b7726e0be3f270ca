"""H3 with the whole daemon: secrets of every kind go through it, and only answers hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from canaries import MARK, canary, files_with_canary, processes_with_canary
from integration.daemon import DaemonFactory
from integration.minting import MintProgram

pytestmark = pytest.mark.cold


def test_h3_secrets_are_nowhere_but_in_answers(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    """Handed out in all formats, refused, refreshed, rejected; then every sink is searched."""
    program = MintProgram(tmp_path / "upstream")
    program.set(raw=canary("minted"))
    daemon = start_daemon(
        '[credentials.static]\nprovider = "static"\nsecret = { env = "CANARY_SECRET" }\n'
        + program.block("minted", lifetime=600)
        + '[credentials.bound]\nprovider = "static"\nsecret = { env = "CANARY_SECRET" }\n'
        'base_url = "https://llm.example.com"\n'
    )
    for name in ("static", "minted"):
        for shape in ("token", "json", "headers", "env"):
            assert MARK in daemon.get(name, shape).text
        assert daemon.request("POST", f"/v1/credentials/{name}/refresh").status == 200
        assert daemon.request("POST", f"/v1/credentials/{name}/rejected").status == 202
    refused = daemon.get("bound", client_base_url="https://evil.example")
    program.set(raw=canary("two") + "\n" + canary("lines"))
    failed = daemon.request("POST", "/v1/credentials/minted/refresh").text
    failure = daemon.status("minted")["failure"]
    told = [
        daemon.request("GET", path).body.decode()
        for path in ("/v1/credentials", "/metrics", "/v1/audit", "/v1/health", "/v1/openapi.json")
    ]

    assert (refused.status, refused.kind) == (403, "denied")
    assert failure["kind"] == "provider-refused"
    assert [text for text in (refused.text, failed, daemon.log(), *told) if MARK in text] == []
    assert processes_with_canary(daemon.pid) == []
    assert files_with_canary(daemon.home, daemon.runtime_dir) == []


def test_the_hunt_finds_what_it_looks_for(tmp_path: Path) -> None:
    """A hunt that finds nothing in a file with a canary would prove nothing."""
    (tmp_path / "leak").write_text(f"token={canary('leaked')}")

    assert files_with_canary(tmp_path) == [str(tmp_path / "leak")]
