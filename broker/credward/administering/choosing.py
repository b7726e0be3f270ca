"""Keeps what each user chose with `credward use`, in a file of the state directory.

`issuing.choices` says what the choices mean.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from credward import wire
from credward.callers.peer import Peer
from credward.callers.programs import HARNESS_NAMES
from credward.errors import BrokerError, Kind
from credward.guess import guess
from credward.issuing.asking import find_credential
from credward.issuing.choices import REPLACED, Choice, Choices, chooser
from credward.issuing.gate import Gate, Holder
from credward.named_files import read_text, replace_file

__all__ = ["ChoiceFile", "ChoosingService"]

# So many are plenty for one user; each takes part in every decision without a name.
_MOST = 256


class ChoiceFile(msgspec.Struct, frozen=True, kw_only=True):
    """Where the choices are kept; *put_in_force* makes new ones count."""

    path: Path
    put_in_force: Callable[[Choices], None]

    def read(self) -> Choices:
        """Return the choices; a file that cannot be read holds none and says so."""
        try:
            text = read_text(self.path)
        except FileNotFoundError:
            return Choices()
        except (OSError, UnicodeDecodeError):
            return self._lost()
        try:
            made = msgspec.json.decode(text, type=list[Choice])
        except (msgspec.DecodeError, RecursionError):
            return self._lost()
        if any(count > _MOST for count in Counter(each.uid for each in made).values()):
            return self._lost(f"holds more than {_MOST} choices of one user")
        return Choices(made=tuple(made))

    def keep(self, choices: Choices) -> None:
        """Write *choices*, then have them count; raise `fix-configuration` if that fails."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self.path, msgspec.json.encode(choices.made))
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{self.path}" cannot be written ({error.strerror}): nothing was changed',
            ) from error
        self.put_in_force(choices)

    def _lost(self, why: str = "cannot be read") -> Choices:
        return Choices(
            problem=f'"{self.path}" {why}, so nothing is chosen: run credward use NAME again'
        )


class ChoosingService:
    """Shows and changes the choices."""

    def __init__(self, *, gate: Gate, holder: Holder, store: ChoiceFile) -> None:
        self._gate = gate
        self._holder = holder
        self._store = store

    def choices(self, peer: Peer) -> wire.ChoiceList:
        """Return the choices of the caller's user, and what counts for the caller."""
        caller = self._gate.require("Inspect", peer)
        made = self._holder.active.choices.of(chooser(caller.uid, os.geteuid())).made
        chosen = self._gate.chosen(caller)
        return wire.ChoiceList(
            choices=[
                wire.Choice(
                    credential=each.credential,
                    configured=each.credential in self._gate.config.credentials,
                    folder=each.folder,
                    agent=each.agent,
                )
                for each in made
            ],
            active=chosen.credential.name if chosen.credential else None,
            because=chosen.because,
        )

    async def choose(self, peer: Peer, asked: wire.ChoiceChange) -> wire.ChoiceList:
        """Keep one choice of the caller's user, or forget the one for this folder and agent.

        Raises `denied`.
        """
        caller = await self._gate.require_owner("Manage", peer)
        _check(asked)
        choices, uid = self._holder.active.choices, chooser(caller.uid, os.geteuid())
        if asked.credential is None:
            choices = choices.without(uid=uid, folder=asked.folder, agent=asked.agent)
        else:
            found = find_credential(self._holder.active.config, asked.credential)
            choices = choices.with_one(
                Choice(credential=found.name, folder=asked.folder, agent=asked.agent, uid=uid)
            )
        if len(choices.of(uid).made) > _MOST:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f"you have {_MOST} choices already: forget one with credward use --clear",
            )
        self._store.keep(choices)
        return self.choices(peer)


def _check(asked: wire.ChoiceChange) -> None:
    """Raise `bad-request` if nobody could be meant, or another folder too."""
    if asked.agent is not None and asked.agent not in HARNESS_NAMES:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{asked.agent}" is not a known agent{guess(asked.agent, HARNESS_NAMES)}: '
            "run credward use --help for the list",
        )
    if asked.folder is not None and not asked.folder.startswith("/"):
        raise BrokerError(Kind.BAD_REQUEST, "the folder is not an absolute path")
    if asked.folder is not None and REPLACED in asked.folder:
        raise BrokerError(
            Kind.BAD_REQUEST,
            "the folder's name is not UTF-8, or holds U+FFFD, so others could look the same: "
            "name a folder above it with --in FOLDER",
        )
