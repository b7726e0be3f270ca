"""Writes a block, tries it once through the daemon, and takes it out again if it cannot work.

What a failure means for the block is one table here; what is written is `block`.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from credward import wire
from credward.cli.config import read_config, replace_file
from credward.cli.explaining import last_words
from credward.cli.signals import Reversible
from credward.cli.start import client_of, paths, reach
from credward.client import Client
from credward.errors import BrokerError, Failure, Kind

__all__ = ["Trial", "Written", "issuer_named", "tried", "what_next"]

# How long a mint may take (seconds), and the answer.
_MINT, _ANSWER = 35.0, 40.0
# The settings are wrong or the provider does not accept them: trying again would not help.
_WRONG = frozenset(
    {Kind.BAD_REQUEST, Kind.PROVIDER_REFUSED, Kind.FIX_CONFIGURATION, Kind.RECURSION}
)
# A login would end like that: the server is another one, or cannot be reached from here.
_OF_SERVERS = frozenset(
    {
        Kind.FIX_CONFIGURATION,
        Kind.PROVIDER_REFUSED,
        Kind.PROVIDER_UNREACHABLE,
        Kind.TIMED_OUT,
    }
)
# A command of ours mends it, and the block stays as it is.
_MENDED = re.compile(r"\brun (credward (?:login|unlock|secret (?:set|allow))\b[^,;:()]*)")
_OTHER_ISSUER = re.compile(r'names another issuer in its metadata: set issuer = "([^"]+)"')
# For every other kind: the block stays, and this comes next. What the next command is depends on
# whether the daemon has the new configuration already.
_IN_FORCE = {
    Kind.LOGIN_REQUIRED: "credward login {name}",
    Kind.DENIED: "credward get {name}, in your own terminal",
    Kind.STORE_LOCKED: "credward unlock, then credward get {name}",
    Kind.UNKNOWN_CREDENTIAL: "credward doctor {name}: the daemon has another configuration",
    Kind.NOT_RUNNING: "credward daemon start, then credward get {name}",
}
_NOT_IN_FORCE = {
    Kind.DENIED: "credward daemon reload in your own terminal, then credward get {name}",
    Kind.STORE_LOCKED: "credward unlock, then credward daemon reload",
    Kind.NOT_RUNNING: "credward daemon start, then credward get {name}",
}


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How a mint went: its result, or the failure; *in_force*: the daemon has the block.

    *unfit*: nobody could log in, because of what *failure* says. *taken_back*: the old
    file is in place again. *said* is the last line that a program wrote to its standard error,
    masked; "" if none.
    """

    in_force: bool
    minted: wire.RefreshResult | None = None
    failure: Failure | None = None
    said: str = ""
    unfit: bool = False
    taken_back: bool = False

    @property
    def stays(self) -> bool:
        """Whether the block stays in the file."""
        return not self.unfit and (self.failure is None or _fits(self.failure))


class Written(Reversible):
    """A configuration on its way into the file; left by an exception, the old one is put back."""

    def __init__(self, target: Path, before: str | None, after: str) -> None:
        """Take note of it; `write` writes *after*. *before* None: there is no file."""
        self._target = target
        self._before = before
        self._after = after
        self._made = [each for each in target.parents if not each.exists()]

    def write(self) -> None:
        """Write it; raise `ConfigErrors`, then nothing is changed."""
        replace_file(self._target, self._after)

    def take_back(self) -> None:
        """Put back the old file, byte for byte, and have a running daemon use it."""
        now = read_config(self._target) if self._target.exists() else None
        if now not in {self._before, self._after}:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{self._target}" was changed by another program since then, so the block stays: '
                "run credward config edit",
            )
        if self._before is None:
            self._remove()
        elif now != self._before:
            replace_file(self._target, self._before)
        if now == self._before:
            # It was not written yet, or was taken back already.
            return
        try:
            client_of(paths(), _ANSWER).reload()
        except BrokerError:
            # It has the old one, or reads it when it is started.
            return

    def _remove(self) -> None:
        real = self._target.resolve() if self._target.is_symlink() else self._target
        real.unlink(missing_ok=True)
        for each in self._made:
            # Somebody else uses it by now, or it was not made.
            try:
                each.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                break


def tried(name: str, client: Client | None = None) -> Trial:
    """Let the daemon use the configuration, and mint once."""
    in_force = False
    try:
        client = client or reach(start=True, timeout=_ANSWER)
        client.reload()
        in_force = True
        return Trial(in_force=True, minted=client.refresh(name, _MINT))
    except BrokerError as error:
        if client is None or not in_force:
            return Trial(in_force=in_force, failure=error.failure)
        if error.kind is Kind.LOGIN_REQUIRED and (unfit := _unfit(client, name)) is not None:
            return Trial(in_force=True, failure=unfit, unfit=True)
        return Trial(in_force=True, failure=error.failure, said=last_words(client, name, error))


def _unfit(client: Client, name: str) -> Failure | None:
    """Return why nobody could log in, None if nothing is known against it."""
    try:
        client.login_check(name)
    except BrokerError as error:
        # Others say nothing about the server: this caller may not ask, or the store is locked.
        return error.failure if error.kind in _OF_SERVERS else None
    return None


def _fits(failure: Failure) -> bool:
    """Return whether the block may be right although a mint ended with *failure*."""
    return failure.kind not in _WRONG or _MENDED.search(failure.message) is not None


def issuer_named(failure: Failure) -> str | None:
    """Return how the login server writes its issuer, if that is the only thing that is wrong."""
    found = _OTHER_ISSUER.search(failure.message)
    return None if found is None else found[1]


def what_next(name: str, trial: Trial) -> str:
    """Return what to type after a failure that leaves the block in the file."""
    assert trial.failure is not None
    failure = trial.failure
    if trial.unfit:
        return f"credward login {name}"
    if failure.kind in _WRONG and (mended := _MENDED.search(failure.message)) is not None:
        return f"{mended[1].strip()}, then credward get {name}"
    table = _IN_FORCE if trial.in_force else _NOT_IN_FORCE
    again = "credward get --fresh {name}" if trial.in_force else "credward daemon reload"
    return table.get(failure.kind, again).format(name=name)
