"""A company's laptop: one proxy and one file of authorities, allowed once; any other is denied."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.accounts import Account, account_of_its_own, install
from transcripts.programs import variants

HOST = "https://llm.example.com"
CONFIG = f"""
[credentials.gateway]
provider = "command"
command = ["/bin/echo", "the-token"]
lifetime = 600
base_url = "{HOST}"
"""
PASSWORD = "canary-of-the-proxy"
PROXY = f"http://me:{PASSWORD}@proxy.corp:3128"


@pytest.fixture
def account(folder: Path) -> Iterator[Account]:
    """An account with one bound credential."""
    with account_of_its_own(folder) as made:
        made.write_config(CONFIG)
        (made.home / "corp.pem").write_text("the company's authorities")
        yield made


class Asker:
    """Who asks as an agent of this account does, with one more variable or another one."""

    def __init__(self, account: Account, command: list[str], programs: Path) -> None:
        self._account = account
        self._command = command
        self._environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "ANTHROPIC_BASE_URL": HOST,
            "HTTPS_PROXY": PROXY,
            "NODE_EXTRA_CA_CERTS": "corp.pem",
        }

    def ask(self, **more: str) -> subprocess.CompletedProcess[str]:
        """Ask for the credential."""
        return self._account.run(*self._command, "gateway", **self._environment | more)

    def denied(self, **more: str) -> str:
        """Return the one line that says why not."""
        done = self.ask(**more)
        assert (done.returncode, done.stdout) == (77, ""), done.stderr
        assert PASSWORD not in done.stderr
        assert len(done.stderr) < 500
        return done.stderr


@pytest.mark.parametrize("client", variants("musl", "command line"))
def test_s2_what_the_line_says_allows_this_one_and_no_other(
    account: Account, folder: Path, client: str
) -> None:
    """Its own command is typed; then another content, another proxy and a repository are denied."""
    install("musl", folder / "bin")
    asker = Asker(account, install(client, folder / "bin"), folder / "bin")
    line = asker.denied()
    advice = line.partition("or run credward ")[2].strip()
    assert advice == ("setup claude-code gateway --allow-ca corp.pem --allow-proxy proxy.corp:3128")
    allowed = account.cli(*shlex.split(advice), "--yes")
    assert "and in force" in allowed.stdout, allowed.stdout + allowed.stderr

    assert asker.ask().stdout == "the-token\n"
    assert asker.ask(NODE_EXTRA_CA_CERTS=str(account.home / "corp.pem")).stdout == "the-token\n"
    assert asker.ask(SSL_CERT_FILE=str(account.home / "corp.pem")).stdout == "the-token\n"
    systems = {
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        "SSL_CERT_DIR": "/etc/ssl/certs",
    }
    assert asker.ask(**systems).stdout == "the-token\n"
    assert "SSL_CERT_FILE set to other.pem (unreadable)" in asker.denied(SSL_CERT_FILE="other.pem")
    assert "SSL_CERT_DIR set: unset it, or write " in asker.denied(SSL_CERT_DIR="/repo/certs")
    assert "HTTP_PROXY set to evil.example:1" in asker.denied(HTTP_PROXY="http://evil.example:1")
    assert "set to evil.example:3128" in asker.denied(HTTPS_PROXY="http://evil.example:3128")
    assert "HTTPS_PROXY set: " in asker.denied(HTTPS_PROXY=f"http://evil\\@{PASSWORD}@proxy.corp:1")
    assert "other.pem (unreadable)" in asker.denied(NODE_EXTRA_CA_CERTS="other.pem")
    settings = account.home / ".claude/settings.json"
    (account.home / "repo/.git").mkdir(parents=True)
    (account.home / "corp.pem").write_text("somebody else's authorities")
    assert "set to corp.pem (changed, or another file than allowed: sha256:" in asker.denied()
    assert PASSWORD not in settings.read_text() + account.config_file.read_text()
    assert PASSWORD not in account.log() + (account.state_dir / "audit.log").read_text()


def test_s2_a_repository_may_name_what_is_allowed_and_nothing_else(
    account: Account, folder: Path
) -> None:
    """The same proxy, with any password, and the file that the agent uses."""
    helper = install("musl", folder / "bin")
    words = ("--allow-ca", "corp.pem", "--allow-proxy", PROXY)
    account.cli("setup", "claude-code", "gateway", "--yes", *words)
    repo = account.home / "repo"
    (repo / ".git").mkdir(parents=True)
    (repo / ".claude").mkdir()
    here = f"cd {repo} && exec {shlex.join(helper)} gateway"
    asker = Asker(account, ["/bin/sh", "-c", here], folder / "bin")
    file = str(account.home / "corp.pem")

    def sets(name: str, value: str) -> None:
        (repo / ".claude/settings.json").write_text(json.dumps({"env": {name: value}}))

    sets("HTTPS_PROXY", "http://another:word@proxy.corp:3128")
    assert asker.ask(NODE_EXTRA_CA_CERTS=file).stdout == "the-token\n"
    sets("NODE_EXTRA_CA_CERTS", file)
    assert asker.ask(NODE_EXTRA_CA_CERTS=file).stdout == "the-token\n"
    sets("HTTPS_PROXY", f"http://me:{PASSWORD}@evil.example:3128")
    assert "sets HTTPS_PROXY to evil.example:3128: remove it there, or run credward setup " in (
        asker.denied(NODE_EXTRA_CA_CERTS=file)
    )
    sets("NODE_EXTRA_CA_CERTS", str(repo / "evil.pem"))
    assert f"sets NODE_EXTRA_CA_CERTS to {repo}/evil.pem: remove it there, or write " in (
        asker.denied(NODE_EXTRA_CA_CERTS=file)
    )
