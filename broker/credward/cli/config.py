"""`credward config`: check it, show it, find it, edit it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from credward import named_files
from credward.cli.output import print_error, print_excerpt, print_json
from credward.cli.start import client_of, paths
from credward.cli.word_group import WordGroup
from credward.config import Config, Paths, load_config
from credward.errors import BrokerError, ConfigErrors, Kind

if TYPE_CHECKING:
    from credward.policy.engine import PolicyEngine

__all__ = ["command", "put_in_force", "read_config", "replace_file"]


@click.group("config", cls=WordGroup, epilog="Example: credward config check")
def command() -> None:
    """Check, show or edit the configuration."""


@command.command(
    "check",
    short_help="Print all errors, with file and line.",
    epilog="Example: credward config check",
)
@click.option("--config", "explicit", type=click.Path(path_type=Path), help="Only this file.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def check(explicit: Path | None, as_json: bool) -> None:
    """Print all errors, each with its file and line; exit 78 if there are any."""
    try:
        found = load_config(paths(), explicit)
        warnings = [*found.warnings, *_unwritten(found, checked_policy(found))]
    except ConfigErrors as errors:
        if as_json:
            print_json({"errors": errors.lines})
        else:
            for line in errors.lines:
                click.echo(line, err=True)
                print_excerpt(line)
        sys.exit(errors.kind.exit_code)
    if as_json:
        print_json({"errors": [], "warnings": warnings, "credentials": sorted(found.credentials)})
        return
    for warning in warnings:
        click.echo(f"warning: {warning}")
    files = ", ".join(str(source) for source in found.sources) or "no file"
    count = len(found.credentials)
    click.echo(f"{files}: good, {count} credential{'' if count == 1 else 's'}")


@command.command(
    "show",
    short_help="Print the current configuration, and where it comes from.",
    epilog="Example: credward config show --json",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(as_json: bool) -> None:
    """Print the merged configuration and where each credential comes from.

    What looks like a secret, such as a password in a command, is printed as ***, with --json too.
    """
    found = load_config(paths())
    shown = {name: _shown(found, name) for name in sorted(found.credentials)}
    if as_json:
        print_json({"default": found.default, "credentials": shown})
        return
    for name, words in shown.items():
        click.echo(f"[credentials.{name}]  # {words.pop('origin')}")
        for key, value in words.items():
            click.echo(f"{key} = {msgspec.json.encode(value).decode()}")
        click.echo()


@command.command("path", epilog="Example: $EDITOR $(credward config path)")
def path() -> None:
    """Print where the user's configuration file is."""
    click.echo(paths().config_file)


@command.command(
    "edit",
    short_help="Edit a copy; it is used only if it is valid.",
    epilog="Example: credward config edit",
)
def edit() -> None:
    """Edit a copy, check it, replace the file only if it is valid, and let the daemon use it.

    An edit with errors is kept beside the file; the next time you go on with it.
    """
    target = paths().config_file
    rejected = target.with_name(target.name + ".rejected")
    before = read_config(target)
    text = before
    if rejected.exists():
        text = read_config(rejected)
        click.echo(f"going on with your last edit, {rejected}: remove it to begin anew", err=True)
    after = click.edit(text, extension=".toml", require_save=False)
    if after is None or after == before:
        click.echo("nothing changed")
        return
    try:
        replace_file(target, after)
    except ConfigErrors as errors:
        named_files.replace_file(rejected, after.encode())
        for line in errors.lines:
            found = line.replace(f"{target}:", f"{rejected}:")
            click.echo(found, err=True)
            print_excerpt(found)
        print_error(
            BrokerError(
                errors.kind, "the old configuration stays: run credward config edit to go on"
            )
        )
        sys.exit(errors.kind.exit_code)
    rejected.unlink(missing_ok=True)
    click.echo(f"{target}: changed{put_in_force()}")


def put_in_force() -> str:
    """Let a running daemon use the new configuration; return what to add to "changed"."""
    try:
        client_of(paths(), 10.0).reload()
    except BrokerError as error:
        if error.kind is Kind.NOT_RUNNING:
            return ""
        return f", but not in force: {error.message}"
    return ", and in force"


def checked(found: Paths, explicit: Path | None) -> Config:
    """Read configuration and policy as the daemon would."""
    config = load_config(found, explicit)
    checked_policy(config)
    return config


def checked_policy(config: Config) -> PolicyEngine:
    """Read the policy of *config* as the daemon would."""
    from credward.policy.engine import PolicyEngine

    return PolicyEngine.load(
        mode=config.listen.mode,
        owner_uid=os.geteuid(),
        allow_uids=config.listen.allow_uids,
        directory=config.policy.directory,
    )


def _unwritten(config: Config, policy: PolicyEngine) -> list[str]:
    """Return a warning for each sink that policy does not permit."""
    if not config.sinks:
        return []
    from credward.callers.own import OwnPeer
    from credward.sinks.asking import DOOR, not_permitted

    return [
        f"{sink.origin}: {sink.path} is not written, the daemon itself is {reason}; it needs a "
        'permit for principal.is_owner with principal.door == "file"'
        for sink, reason in not_permitted(config, policy, OwnPeer(DOOR))
    ]


def read_config(target: Path) -> str:
    """Return the text of the user's configuration file, empty if there is none."""
    try:
        return named_files.read_text(target)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{target}" cannot be read ({why}): correct it, or move it away',
        ) from error


def replace_file(target: Path, text: str) -> None:
    """Replace *target* by *text* (0600) if it is a valid configuration, else raise.

    The old file stays until the new one is completely on disk; errors name the real file.
    """
    # A symbolic link, for example of a dotfile manager, stays: its target is replaced.
    real = target.resolve() if target.is_symlink() else target
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=".config-", suffix=".toml")
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            load_config(paths(), fresh)
        except ConfigErrors as errors:
            raise ConfigErrors([line.replace(name, str(target)) for line in errors.lines]) from None
        if real.exists():
            shutil.copymode(real, fresh)
        fresh.replace(real)
    finally:
        fresh.unlink(missing_ok=True)


def _shown(found: Config, name: str) -> dict[str, Any]:
    each = found.credentials[name]
    words: dict[str, Any] = {"origin": each.origin, "provider": each.provider}
    words |= {key: value for key, value in msgspec.to_builtins(each.settings).items() if value}
    for key in ("base_urls", "audiences", "scopes", "header", "env_name", "idle_after"):
        if value := getattr(each, key):
            words[key] = value
    return {key: _masked(key, value) for key, value in words.items()}


def _masked(key: str, value: Any) -> Any:
    """Return *value* with a mask for each secret in it, as in a line of the file."""
    from credward.masking import MASK, masked_members

    begin = f"{key} = "
    shown = masked_members(begin + msgspec.json.encode(_said(value)).decode())
    try:
        return msgspec.json.decode(shown.removeprefix(begin))
    except msgspec.DecodeError:
        # A mask in the place of a number, or across the end of a string.
        return MASK


def _said(value: Any) -> Any:
    """Return *value* without the members that nobody set."""
    if isinstance(value, dict):
        return {key: _said(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_said(each) for each in value]
    return value
