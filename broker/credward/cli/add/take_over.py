"""Moves a secret or a program that a tool used so far into credward, with the user's yes.

A key goes into the store by the daemon; the file in which it was found is changed only after its
own question. `wizard` asks everything else.
"""

from __future__ import annotations

import shlex
import time

import click

from credward.cli.add.choice import Leftover
from credward.cli.add.tools import ToolScript
from credward.cli.setup.settings_file import read
from credward.cli.setup.taken_out import TakenOut, forget, take_out
from credward.cli.shell_files import ShellKey, gives, muted
from credward.cli.signals import Reversible, heeded, held
from credward.cli.start import reach
from credward.errors import BrokerError, Kind
from credward.tokens import Secret

__all__ = ["Store", "end_leftover", "end_script", "free_secret_name", "noted"]

_PATIENCE = 15.0


def free_secret_name(name: str) -> str:
    """Return a name for the secret of the credential *name* that the store does not have yet."""
    try:
        taken = set(reach(start=True, timeout=_PATIENCE).secret_names().names)
    except BrokerError as error:
        if error.kind is not Kind.NOT_RUNNING:
            raise
        # Nothing is configured yet, so it was not started; `put` looks again.
        taken = set()
    names = (f"{name}-key", *(f"{name}-key-{number}" for number in range(2, 1000)))
    return next(each for each in names if each not in taken)


class Store(Reversible):
    """One secret on its way into the store as *name*; left by an exception, it is removed again."""

    def __init__(
        self,
        *,
        name: str,
        secret: Secret,
        taken: TakenOut | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        """Take note of it; `put` stores it. *taken*: the line that it may be given back to.

        *patience*: seconds for what nobody can interrupt.
        """
        self.name = name
        self.taken = taken
        self._secret = secret
        self._patience = patience
        self._may_be_in = False

    def put(self) -> None:
        """Store it; never over another one."""
        with heeded():
            client = reach(start=True, timeout=_PATIENCE)
            # Opens the store, for which a keychain may ask its user: that may take its time.
            taken = client.secret_names().names
        if self.name in taken:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'the store already has a secret "{self.name}": run credward secret rm {self.name}',
            )
        self._may_be_in = True
        # Its answer is waited for: a request that was given up could still come after its removal.
        # The store is open, so this takes no longer than its disk.
        origin = "" if self.taken is None else self.taken.sealed
        client.secret_set(self.name, self._secret.reveal(), origin, timeout=self._patience)
        # About a secret of the same name in a store that was lost.
        forget(self.name)

    def take_back(self) -> None:
        """Remove it again, if it was stored."""
        if not self._may_be_in:
            return
        try:
            reach(timeout=_PATIENCE).secret_remove(self.name, timeout=self._patience)
        except BrokerError as error:
            if error.kind is not Kind.UNKNOWN_CREDENTIAL:
                click.echo(
                    f'credward: "{self.name}" may still be in the store ({error.message}): '
                    f"run credward secret rm {self.name}",
                    err=True,
                )
        self._may_be_in = False


def noted(key: ShellKey) -> TakenOut | None:
    """Return what is noted about the line of *key*; None if it is another line by now."""
    lines, value = read(key.path).split("\n"), key.value.reveal()
    line = lines[key.number - 1] if key.number <= len(lines) else ""
    if not gives(line, value):
        return None
    return TakenOut.of(key.path, key.number, line, value, muted(line, value))


def end_leftover(moves: Leftover, store: Store) -> None:
    """Say where the key still is, and offer to take it out of a shell file."""
    if not moves.where:
        return
    if moves.origin is None:
        click.echo(f"the key is still in {moves.where}: remove it there when all works")
        return
    key = moves.origin
    if store.taken is None or noted(key) != store.taken:
        click.echo(f"{key.place} has changed: remove {key.variable} there")
        return
    _comment_out(key, store.taken, store.name)


def _comment_out(key: ShellKey, taken: TakenOut, secret: str) -> None:
    click.echo(f"--- {key.place}\n-{'…'.join(taken.around)}\n+{taken.now}")
    if not click.confirm(f"Comment this line out of {key.path}, without the key?"):
        click.echo(f"the key is still in {key.place}: remove it there when all works")
        return
    with held():
        done = take_out(secret, taken, key.value, stamp=time.strftime("%Y%m%d-%H%M%S"))
    click.echo(f"{key.path}: changed; the old one, with the key, is {done.backup}")
    click.echo(f"when all works: rm {shlex.quote(str(done.backup))}")
    click.echo("credward remove, and credward setup --undo --all, offer to put the key back")


def end_script(script: ToolScript, name: str) -> None:
    """Offer that the tool asks credward instead of running its program."""
    if script.tool != "Claude Code":
        click.echo(f"in {script.path}, let {script.tool} run the helper: {_codex_lines(name)}")
        return
    line = f"credward setup claude-code {name} --replace"
    if not click.confirm(f"Let Claude Code ask credward instead ({line})?", default=True):
        click.echo(f"next: {line}")
        return
    from credward.cli.setup.command import command

    command.main(["claude-code", name, "--replace"], prog_name="setup", standalone_mode=False)


def _codex_lines(name: str) -> str:
    from credward.cli.helper_probe import find_helper

    return f'command = "{find_helper()}", args = ["{name}"]'
