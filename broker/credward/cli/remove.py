"""`credward remove`: take a credential away, with what was made for it alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import tomlkit

from credward import wire
from credward.cli.config import read_config, replace_file
from credward.cli.names import complete_credentials
from credward.cli.output import print_json, warn_of_disk
from credward.cli.setup.putting_back import (
    must_decide,
    notes_about,
    put_back,
    put_back_options,
    taken_for,
    wanted,
)
from credward.cli.setup.settings_file import diff
from credward.cli.setup.taken_out import TakenOut, forget
from credward.cli.setup.titles import TITLES
from credward.cli.setup.undo import of_credential, set_ups_of, undo_all, undo_diffs
from credward.cli.start import paths, reach
from credward.client import Client
from credward.config import Config, CredentialConfig, load_config
from credward.config.sources import secrets_of_alone, users
from credward.errors import BrokerError, Kind
from credward.issuing.asking import find_credential

__all__ = ["command"]


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with the credential: *login* is its grant, if no other credential is on it.

    *secrets* are those that nothing else names, *taken* the lines that some of them came from,
    *set_ups* files of tools, each with the tool, *signing_key* the file of the key that signs its
    tokens.
    """

    name: str
    file: Path
    before: str
    after: str
    login: str | None
    secrets: list[str]
    taken: dict[str, TakenOut]
    set_ups: dict[Path, str]
    signing_key: Path | None


@click.command(
    "remove",
    short_help="Remove a credential, and what was made for it alone.",
    epilog="Example: credward remove gateway",
)
@click.argument("name", shell_complete=complete_credentials)
@click.option("--dry-run", is_flag=True, help="Show what would be removed and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@put_back_options
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def command(name: str, dry_run: bool, yes: bool, as_json: bool, **keys: Any) -> None:
    """Remove the credential NAME from the configuration, with what was made for it alone.

    That is its login (revoked if possible), the secrets in the store that nothing else names, its
    signing key, files with its token ([[sinks]]), the set-ups of tools that ask for it, and where
    `credward use` chose it. What it is, is shown first. A key that credward add took out of a file
    is put back there, if you say so.
    """
    plan = _plan(load_config(paths()), name)
    if not as_json:
        _show(plan)
    if dry_run:
        click.echo("dry run: nothing was removed")
        return
    may_ask = not yes and not as_json and sys.stdin.isatty()
    if plan.taken and keys["put_back"] is None and not may_ask:
        raise must_decide(plan.taken, plan.name)
    client = reach(start=True, timeout=15.0)
    undo = _checked(plan, client)
    back = wanted(plan.taken, keys["put_back"])
    if not yes:
        _confirm(plan, may_ask=may_ask)
    # First: if a key cannot be put back, nothing is removed.
    changed = keys["although_changed"]
    said = [*put_back(client, back, although_changed=changed, may_ask=may_ask), *undo]
    revoked, durable = _carry_out(plan, client)
    if as_json:
        print_json(
            {
                "removed": plan.name,
                "revoked": revoked,
                "secrets": plan.secrets,
                "put_back": [each.place for each in back.values()],
                "set_ups": [str(each) for each in plan.set_ups],
            }
        )
        return
    for line in said:
        click.echo(line)
    click.echo(f"removed: {plan.name}" + (", its login was revoked upstream" if revoked else ""))
    if durable is False:
        warn_of_disk()


def _checked(plan: _Plan, client: Client) -> Iterator[str]:
    """Return what undoes the set-ups; raise what would stop us half way, with nothing changed.

    The daemon refuses a reload while the store is locked, and from callers that may not manage.
    """
    client.reload()
    if plan.login is not None or plan.secrets:
        # Opens the store.
        client.secret_names()
    return undo_all(of_credential(plan.name))


def _carry_out(plan: _Plan, client: Client) -> tuple[bool | None, bool | None]:
    """Remove the rest; return whether the login was revoked, and whether that is durable."""
    revoked = durable = None
    if plan.login is not None:
        dropped = client.logout(plan.name)
        revoked, durable = dropped.revoked, dropped.durable
    replace_file(plan.file, plan.after)
    client.reload()
    for each in client.choices().choices:
        if each.credential == plan.name:
            client.choose(wire.ChoiceChange(folder=each.folder, agent=each.agent))
    for secret in plan.secrets:
        durable = client.secret_remove(secret).durable and durable is not False
        forget(secret)
    if plan.signing_key is not None:
        plan.signing_key.unlink(missing_ok=True)
    return revoked, durable


def _plan(config: Config, name: str) -> _Plan:
    credential = find_credential(config, name)
    name = credential.name
    target = paths().config_file
    if not credential.origin.startswith(f"{target}:"):
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{name}" is configured in {credential.origin}, not in your file: remove it there',
        )
    if needed := sorted(each.name for each in users(config, credentials={name})):
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{name}" is needed by {", ".join(needed)}: remove that first, with credward remove '
            f"{needed[0]}",
        )
    before = read_config(target)
    document = tomlkit.parse(before)
    document["credentials"].remove(name)
    if document.get("default") == name:
        document.remove("default")
    _remove_sinks(document, name)
    others = [each for each in config.credentials.values() if each.name != name]
    shared = any(each.grant == credential.grant for each in others)
    grant = credential.meaning.grant
    secrets = secrets_of_alone(config, credential)
    return _Plan(
        name=name,
        file=target,
        before=before,
        after=tomlkit.dumps(document),
        login=None if shared or not (grant.logins or grant.rotating) else credential.grant,
        secrets=secrets,
        taken=taken_for(secrets),
        set_ups=set_ups_of(name),
        signing_key=None if shared else _signing_key(credential),
    )


def _remove_sinks(document: tomlkit.TOMLDocument, name: str) -> None:
    """Take out the files with its token; the daemon removes them when it reads this."""
    sinks = document.get("sinks", [])
    for number in reversed(range(len(sinks))):
        if sinks[number].get("credential") == name:
            del sinks[number]
    if "sinks" in document and not sinks:
        document.remove("sinks")


def _signing_key(credential: CredentialConfig) -> Path | None:
    """Return the file with the key that was made to sign its tokens, None if there is none."""
    if credential.provider != "local":
        return None
    from credward.store.signing_keys import path_of

    found = path_of(paths().state_dir, credential.grant)
    return found if found.exists() else None


def _show(plan: _Plan) -> None:
    click.echo(diff(plan.file, plan.before, plan.after), nl=False)
    if plan.login is not None:
        click.echo(f"also removes its login ({plan.login}), revoked upstream if possible")
    for note in notes_about(plan.taken):
        click.echo(note)
    for secret in (each for each in plan.secrets if each not in plan.taken):
        click.echo(
            f'also removes the secret "{secret}" from the store: keep a copy if there is no other'
        )
    if plan.signing_key is not None:
        click.echo(f"also removes its signing key: {plan.signing_key}")
    for target, tool in plan.set_ups.items():
        click.echo(f"also removes our settings of {TITLES[tool]} from {target}")
    for each in undo_diffs(of_credential(plan.name)):
        click.echo(each, nl=False)


def _confirm(plan: _Plan, *, may_ask: bool) -> None:
    if not may_ask:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{plan.name}" was not removed without your yes: run this again with --yes',
        )
    click.confirm(f"Remove {plan.name}?", abort=True)
