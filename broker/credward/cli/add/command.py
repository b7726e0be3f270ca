"""`credward add`: write one credential into the configuration, try it, and show the next step.

`wizard` asks on a terminal, `listing` shows what is found; `block` writes, `trial` tries.
"""

from __future__ import annotations

import sys

import click

from credward.cli.add.adding import Options, add
from credward.cli.add.block import Wanted, full_program, split_word
from credward.cli.add.listing import show_choices
from credward.cli.names import complete_providers
from credward.errors import BrokerError, Kind
from credward.settings.registry import SETTINGS

__all__ = ["command"]


@click.command(
    "add",
    short_help="Add one credential, check it, try it.",
    epilog="Example: credward add gateway --provider command -- my-login-tool token",
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
@click.option("--replace", is_flag=True, help="Replace the block of a name that exists.")
@click.option("--keep", is_flag=True, help="Keep the block even if it cannot work.")
@click.option("--dry-run", is_flag=True, help="Show the change and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def command(
    name: str | None,
    program: tuple[str, ...],
    provider: str | None,
    words: tuple[str, ...],
    make_default: bool,
    replace: bool,
    keep: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Add the credential NAME; for the provider `command`, PROGRAM comes after `--`.

    The new configuration is checked before it replaces the old one, then one token is minted. If
    that shows that it cannot work, the old file comes back.

    Without a provider it asks, on a terminal; else it shows what could be added on this machine.
    """
    options = Options(
        make_default=make_default,
        replace=replace,
        keep=keep,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not (yes or as_json)
    if provider is None and program:
        provider = "command"
    if provider is None and words:
        raise _no_provider(name)
    if provider is None and asks:
        from credward.cli.add.wizard import ask

        ask(name, options)
    elif name is None and provider is None:
        show_choices(as_json=as_json)
    elif name is None or provider is None:
        raise _no_provider(name)
    else:
        wanted = Wanted(
            name=name,
            provider=provider,
            program=full_program(program),
            words=tuple(split_word(word) for word in words),
        )
        sys.exit(add(wanted, options))


def _no_provider(name: str | None) -> BrokerError:
    if name is None:
        return BrokerError(
            Kind.BAD_REQUEST, "the credential has no name: run credward add NAME --provider …"
        )
    return BrokerError(
        Kind.BAD_REQUEST,
        f'where does "{name}" come from? name a --provider: run credward add --help',
    )
