"""`credward init`: a configuration to begin with, and what on this machine could be used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from credward.cli.config import replace_file
from credward.cli.start import places
from credward.config import environment

__all__ = ["command"]

_START = """\
# credward: who owns which credential on this machine.
# Check it with `credward config check`, use it with `credward reload`.

# A credential that works at once: tokens signed here, for gateways that trust this key.
# [credentials.demo]
# provider = "local"
# lifetime = 3600

# Any program that prints a token, refreshed before anybody waits:
# [credentials.gateway]
# provider = "command"
# command = ["my-login-tool", "token"]
# base_url = "https://llm.example.com"   # never handed out towards another host
"""


@click.command(
    "init",
    short_help="Make the configuration file; propose what is found here.",
    epilog="Example: credward init",
)
def command() -> None:
    """Make the configuration file if there is none and propose what was found."""
    target = places().config_file
    proposals = list(_proposals(Path(environment().get("HOME", "/"))))
    if target.exists():
        click.echo(f"{target}: there already, nothing was changed")
    else:
        found = "".join(f"\n# Found {what}:\n{_commented(block)}" for what, block in proposals)
        replace_file(target, _START + found)
        click.echo(f"{target}: made")
    for what, block in proposals:
        click.echo(f"\nfound {what}; to use it, add:\n{block}", nl=False)
    click.echo("\nnext: credward add NAME --provider oauth --set issuer=URL --set client_id=ID")
    click.echo("  or: credward add NAME --provider command -- PROGRAM ARGUMENT")


def _proposals(home: Path) -> Iterator[tuple[str, str]]:
    """Yield what was found and a block for it; only providers that this version has."""
    if shutil.which("az"):
        yield (
            "the Azure CLI",
            (
                '[credentials.azure]\nprovider = "entra"\nsource = "az"\n'
                'scope = "https://management.azure.com/.default"\n'
            ),
        )
    if (home / ".aws/config").exists() or (home / ".aws/credentials").exists():
        yield "AWS profiles", '[credentials.aws]\nprovider = "aws"\nprofile = "default"\n'
    if (home / ".config/gcloud/application_default_credentials.json").exists():
        yield (
            "Application Default Credentials of Google Cloud",
            '[credentials.vertex]\nprovider = "gcp"\n',
        )
    elif shutil.which("gcloud"):
        yield (
            "the Google Cloud CLI",
            (
                '[credentials.gcp]\nprovider = "command"\n'
                'command = ["gcloud", "auth", "print-access-token"]\nlifetime = 3000\n'
            ),
        )
    if address := environment().get("VAULT_ADDR"):
        yield (
            "VAULT_ADDR",
            (
                f'[credentials.kv]\nprovider = "vault"\naddress = "{address}"\n'
                'auth_method = "oidc"\npath = "secret/llm"\nfield = "api_key"\n'
            ),
        )
    if base_url := environment().get("ANTHROPIC_BASE_URL"):
        yield (
            "ANTHROPIC_BASE_URL",
            (
                '[credentials.gateway]\nprovider = "oauth"\n'
                'issuer = "https://login.example.com"\nclient_id = "…"\n'
                f'base_url = "{base_url}"\n'
            ),
        )


def _commented(block: str) -> str:
    return "".join(f"# {line}\n" for line in block.splitlines())
