"""What could be added on this machine: a command for each thing found, for `credward add`.

It also makes the configuration file and records the owner's directories (`recording`).
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterator
from configparser import Error as ConfigError
from configparser import RawConfigParser
from pathlib import Path

import click

from credward.cli.config import replace_file
from credward.cli.recording import record_places
from credward.cli.start import paths
from credward.config import environment, load_config
from credward.errors import BrokerError
from credward.named_files import read_text

__all__ = ["show_proposals"]

_START = """\
# credward: who owns which credential on this machine.
# Check it with `credward config check`, use it with `credward daemon reload`.

# A credential that works at once: tokens signed here, for gateways that trust this key.
# [credentials.demo]
# provider = "local"
# lifetime = 3600

# Any program that prints a token, refreshed before anybody waits:
# [credentials.gateway]
# provider = "command"
# command = ["my-login-tool", "token"]
# base_url = "https://llm.example.com"   # never handed out for another host
"""
_AT_ONCE = "credward add demo --provider local"
# For any sign-in, and any program; the user replaces the words in capitals.
_ANY = (
    "credward add NAME --provider oauth --set issuer=URL --set client_id=ID",
    "credward add NAME --provider command -- PROGRAM ARGUMENT",
)


def show_proposals() -> None:
    """Make the configuration file if there is none, and print a command for each thing found."""
    target = paths().config_file
    if not target.exists():
        replace_file(target, _START)
        click.echo(f"{target}: made")
    record_places()
    known = _configured()
    found = [
        (what, shlex.join(["credward", "add", name, "--provider", *words]))
        for what, name, words in _proposals(Path(environment().get("HOME", "/")))
        if name not in known and all(each.isprintable() for each in words)
    ]
    for what, line in found:
        click.echo(f"found {what}; to use it:\n  {line}\n")
    click.echo("or:" if found else "next:")
    for line in _ANY if known else (_AT_ONCE, *_ANY):
        click.echo(f"  {line}")


def _configured() -> set[str]:
    try:
        return set(load_config(paths()).credentials)
    except BrokerError:
        # `config check` reports errors; here they do not matter.
        return set()


def _proposals(home: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what was found, a name for it, and its provider with further arguments of `add`."""
    if shutil.which("az"):
        words = _set(source="az", scope="api://APPLICATION-ID/.default")
        yield "the Azure CLI, for a gateway of your tenant", "gateway-az", ["entra", *words]
    if profile := _aws_profile(home / ".aws"):
        yield "AWS profiles", "aws", ["aws", *_set(profile=profile)]
    if (home / ".config/gcloud/application_default_credentials.json").exists():
        yield "Application Default Credentials of Google Cloud", "google", ["gcp"]
    if address := environment().get("VAULT_ADDR"):
        words = _set(address=address, auth_method="oidc", path="PATH", field="FIELD")
        yield "VAULT_ADDR", "kv", ["vault", *words]
    if base_url := environment().get("ANTHROPIC_BASE_URL"):
        words = _set(issuer="URL", client_id="ID", base_url=base_url)
        yield "ANTHROPIC_BASE_URL", "gateway", ["oauth", *words]


def _set(**words: str) -> list[str]:
    return [each for key, value in words.items() for each in ("--set", f"{key}={value}")]


def _aws_profile(folder: Path) -> str | None:
    """Return `default` if there is such a profile, else the first one in the files."""
    names: list[str] = []
    for path, header in ((folder / "config", "profile "), (folder / "credentials", "")):
        # A repeated section, for example from two tools, must not hide the others.
        found = RawConfigParser(strict=False, allow_no_value=True)
        # Its own tools report errors in it; here they do not matter.
        with contextlib.suppress(OSError, ValueError, ConfigError):
            found.read_string(read_text(path))
        names += [
            each.removeprefix(header).strip()
            for each in found.sections()
            if each == "default" or each.startswith(header)
        ]
    return "default" if "default" in names else next(iter(names), None)
