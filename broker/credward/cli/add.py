"""`credward add`: write one credential into the configuration, try it, and show the next step."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec
import tomlkit

from credward.cli.config import read_config, replace_file
from credward.cli.names import complete_providers
from credward.cli.output import format_duration
from credward.cli.proposals import show_proposals
from credward.cli.recording import record_places
from credward.cli.setup.settings_file import diff
from credward.cli.start import paths, reach
from credward.config import CredentialConfig, load_config
from credward.errors import BrokerError, ConfigErrors, Kind
from credward.settings.registry import SETTINGS

__all__ = ["command"]


@click.command(
    "add",
    short_help="Add one credential, check it, try it.",
    epilog="Example: credward add gateway --provider command "
    "--set base_url=https://llm.example.com -- my-login-tool token",
    context_settings={"ignore_unknown_options": False},
)
@click.argument("name", required=False)
@click.argument("program", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--provider",
    shell_complete=complete_providers,
    help=f"One of {', '.join(sorted(SETTINGS))}.",
)
@click.option(
    "--set",
    "words",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the block; may be repeated.",
)
@click.option("--default", "make_default", is_flag=True, help="Make it the default credential.")
@click.option("--dry-run", is_flag=True, help="Show the change and stop.")
def command(
    name: str | None,
    program: tuple[str, ...],
    provider: str | None,
    words: tuple[str, ...],
    make_default: bool,
    dry_run: bool,
) -> None:
    """Add the credential NAME; for the provider `command`, PROGRAM comes after `--`.

    The new configuration is checked before it replaces the old one, then one token is minted.
    Without NAME it shows what could be added on this machine.
    """
    if name is None:
        show_proposals()
        return
    if provider is None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'where does "{name}" come from? name a --provider: run credward add --help',
        )
    target = paths().config_file
    before = read_config(target)
    if name in load_config(paths()).credentials:
        raise BrokerError(
            Kind.BAD_REQUEST, f'"{name}" is already configured: run credward config edit'
        )
    block = _block(name, provider, program, words)
    # A last line without a line end would swallow the first line of the block.
    rest = before if before.endswith("\n") or not before else before + "\n"
    after = rest + ("\n" if before.strip() else "") + block
    replaced = None
    if make_default:
        document = tomlkit.parse(after)
        replaced = document.get("default")
        document["default"] = name
        after = tomlkit.dumps(document)
    if dry_run:
        click.echo(diff(target, before, after), nl=False)
        return
    try:
        replace_file(target, after)
    except ConfigErrors as errors:
        # The line numbers are from a file that nobody will see.
        texts = [line.removeprefix(f"{target}:").partition(": ")[2] for line in errors.lines]
        raise BrokerError(
            errors.kind, f'"{name}" was not added, {"; ".join(texts)}: correct it, and add it again'
        ) from errors
    click.echo(f"{target}: added {name}")
    if replaced:
        click.echo(f"the default is {name} now, it was {replaced}")
    record_places()
    _try(load_config(paths()).credentials[name])


def _block(name: str, provider: str, program: tuple[str, ...], words: tuple[str, ...]) -> str:
    table = tomlkit.table()
    table["provider"] = provider
    if program:
        table["command"] = list(program)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise BrokerError(Kind.BAD_REQUEST, f'"{word}" is not KEY=VALUE: write --set key=value')
        inner = table
        *outer, last = key.split(".")
        for part in outer:
            inner = inner.setdefault(part, tomlkit.table())
        inner[last] = _value(provider, last, text)
    document = tomlkit.document()
    credentials = tomlkit.table(is_super_table=True)
    credentials[name] = table
    document["credentials"] = credentials
    return tomlkit.dumps(document)


def _value(provider: str, key: str, text: str) -> Any:
    """Return *text* parsed as a TOML value, else as a string."""
    shape = SETTINGS.get(provider)
    fields = {each.name: each.type for each in msgspec.structs.fields(shape)} if shape else {}
    try:
        # With the line end, which the value keeps.
        value = tomlkit.parse(f"value = {text}\n")["value"]
    except tomlkit.exceptions.ParseError:
        return text
    if key not in fields:
        return value
    if isinstance(value, dict):
        # Nobody writes a reference as a plain string; the check reports errors in it.
        return value
    try:
        msgspec.convert(value.unwrap(), fields[key])
    except msgspec.ValidationError:
        # A client id of digits is still a string.
        return text
    return value


def _try(credential: CredentialConfig) -> None:
    """Mint once through the daemon, so that errors show up now."""
    name = credential.name
    client = reach(start=True, timeout=40.0)
    try:
        client.reload()
        result = client.refresh(name, 35.0)
    except BrokerError as error:
        if error.kind in {Kind.DENIED, Kind.NOT_RUNNING}:
            click.echo(f"not tried: {error.message}")
            click.echo(f"next: credward daemon reload, then credward get {name}")
            return
        if error.kind is Kind.LOGIN_REQUIRED:
            click.echo(f"next: credward login {name}")
            return
        click.echo(f"credward: {error.message}", err=True)
        click.echo(
            f"next: that, or credward config edit; then credward get --fresh {name}", err=True
        )
        sys.exit(error.kind.exit_code)
    life = (
        "without a known end"
        if result.expires_at is None
        else f"that lasts {format_duration(result.expires_at - result.issued_at)}"
    )
    click.echo(f"minted a token {life}")
    get = f"credward get {name}"
    if credential.base_urls:
        get += f" --base-url {credential.base_urls[0]}"
    if credential.meaning.kind == "aws":
        click.echo(f"next: {get} --format json")
    else:
        click.echo(f"next: {get}, or credward setup claude-code {name}")
