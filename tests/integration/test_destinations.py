"""Where a token may be sent: what the settings imply, and what a caller says, against a real daemon."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from fakes.entra_server import unsigned
from integration.command_line import cli
from integration.daemon import DaemonFactory
from waiting import until

FOUNDRY = "https://my-res.services.ai.azure.com"
GATEWAY = "https://llm.example.com"


def fake_az(folder: Path) -> tuple[Path, str]:
    """Put a program for `az` into *folder*; return it, and the token that it prints."""
    token = unsigned({"uti": "uti-az", "exp": int(time.time()) + 3000})
    answer = {"accessToken": token, "expires_on": int(time.time()) + 3000, "tokenType": "Bearer"}
    program = folder / "az"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    return program, token


def test_s15_a_token_for_one_service_goes_to_its_hosts_only(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """A Foundry resource implies its hosts without a base_url; a terminal is told what to type."""
    az, token = fake_az(tmp_path)
    daemon = start_daemon(
        f'[credentials.foundry]\nprovider = "entra"\nsource = "{az}"\nresource = "my-res"\n'
    )
    plain = cli(daemon, "get", "foundry")
    elsewhere = cli(daemon, "get", "foundry", ANTHROPIC_BASE_URL="https://evil.example")
    advised = plain.stderr.partition(": add ")[2].split()[:2]
    there = cli(daemon, "get", "foundry", *advised)

    assert (plain.returncode, plain.stdout) == (77, "")
    assert f"is for {FOUNDRY}, " in plain.stderr
    assert (elsewhere.returncode, elsewhere.stdout) == (77, "")
    assert "not for https://evil.example:" in elsewhere.stderr
    assert daemon.get("foundry").kind == "denied"
    assert there.stdout == f"{token}\n", there.stderr
    assert daemon.status("foundry")["base_urls"][0] == FOUNDRY


def test_s15_what_is_written_down_counts(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    """A written base_url takes the place of the implied ones, be it wider or another one."""
    az, token = fake_az(tmp_path)
    block = f'[credentials.foundry]\nprovider = "entra"\nsource = "{az}"\nresource = "my-res"\n'
    daemon = start_daemon(block)
    assert daemon.get("foundry", client_base_url=GATEWAY).kind == "denied"
    daemon.write_config(f'{block}base_url = "{GATEWAY}"\n')
    daemon.send(signal.SIGHUP)
    until(lambda: daemon.status("foundry")["base_urls"] == [GATEWAY])

    assert daemon.get("foundry", client_base_url=FOUNDRY).kind == "denied"
    assert daemon.get("foundry", client_base_url=GATEWAY).text == token
