"""What could be added on this machine, for a caller without a terminal: a command for each choice.

It also makes the configuration file and records the owner's directories (`recording`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click

from credward.cli.add.choice import Choice
from credward.cli.add.choices import find_choices
from credward.cli.config import replace_file
from credward.cli.output import print_json
from credward.cli.recording import record_places
from credward.cli.start import paths
from credward.config import load_config
from credward.errors import BrokerError
from credward.masking import masked_members

__all__ = ["command_of", "configured", "show_choices"]

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


def show_choices(*, as_json: bool) -> None:
    """Make the configuration file if there is none, and print a command for each thing found."""
    target = paths().config_file
    made = not target.exists()
    if made:
        replace_file(target, _START)
    record_places()
    known = configured()
    found = [
        (each.what, command_of(each))
        for each in find_choices()
        if each.name not in known and each.printable
    ]
    others = _ANY if known else (_AT_ONCE, *_ANY)
    if as_json:
        listed = [{"what": what, "command": line} for what, line in found]
        print_json({"file": str(target), "made": made, "found": listed, "other": others})
        return
    if made:
        click.echo(f"{target}: made")
    for what, line in found:
        click.echo(f"found {what}; to use it:\n  {line}\n")
    click.echo("or:" if found else "next:")
    for line in others:
        click.echo(f"  {line}")


def configured() -> set[str]:
    """Return the names that are taken."""
    try:
        return set(load_config(paths()).credentials)
    except BrokerError:
        # `config check` reports errors; here they do not matter.
        return set()


def command_of(choice: Choice) -> str:
    """Return the command that adds it; words in capitals are the user's.

    What moves into the store moves in the wizard, or by `credward secret set` from a pipe. A secret
    in the line of a tool's program is masked.
    """
    words = ["credward", "add", choice.name, "--provider", choice.provider]
    for key, text in _words(choice):
        words += ["--set", f"{key}={text}"]
    line = shlex.join(words)
    if choice.program:
        line += f" -- {masked_members(shlex.join(choice.program))}"
    return f"credward secret set {choice.name}-key && {line}" if choice.moves is not None else line


def _words(choice: Choice) -> Iterator[tuple[str, str]]:
    if choice.moves is not None:
        yield choice.moves.field, f'{{ store = "{choice.name}-key" }}'
    yield from choice.words
    for question in choice.questions:
        if question.word:
            yield question.key, question.word
