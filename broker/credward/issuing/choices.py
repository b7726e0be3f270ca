"""Which credential a caller gets that names none: what the owner chose, where, and for whom.

Pure: `administering.choosing` keeps the choices, `gate` decides whether the caller may have it. A
choice can only select among credentials; policy decides as if the credential had been named.
"""

from __future__ import annotations

import msgspec

from credward.config import Config, CredentialConfig
from credward.issuing.asking import default_credential

__all__ = ["REPLACED", "Choice", "Choices", "Chosen", "place_of"]

# Stands for bytes of a folder's name that are not UTF-8: several folders look the same.
REPLACED = "\N{REPLACEMENT CHARACTER}"


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One choice of the owner.

    *folder*: an absolute path without links; it counts there and below, None: everywhere. *agent*:
    the name of a harness (`Caller.harness`), None: any caller. *uid*: of who made it, None: the
    daemon's own.
    """

    credential: str
    folder: str | None = None
    agent: str | None = None
    uid: int | None = None

    def describe(self) -> str:
        """Return for whom it was chosen, as part of a sentence."""
        return place_of(self.folder, self.agent) or "for everything"

    def counts(self, folder: str | None, agent: str | None) -> bool:
        """Return whether it is about a caller in *folder* below *agent*."""
        if self.agent is not None and self.agent != agent:
            return False
        if self.folder is None:
            return True
        if folder is None or REPLACED in self.folder:
            return False
        return f"{folder}/".startswith(f"{self.folder.rstrip('/')}/")

    @property
    def _rank(self) -> tuple[int, bool]:
        """The nearest folder comes first, then the agent."""
        return (-1 if self.folder is None else len(self.folder), self.agent is not None)


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The credential for a caller that names none (None: it must name one), and why this one."""

    credential: CredentialConfig | None
    because: str = ""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """All choices, one for each folder and agent. *problem*: why earlier ones are not known."""

    made: tuple[Choice, ...] = ()
    problem: str = ""

    @property
    def need_folder(self) -> bool:
        """Whether the caller's folder matters."""
        return any(each.folder is not None for each in self.made)

    def pick(
        self, config: Config, *, folder: str | None = None, agent: str | None = None
    ) -> Chosen:
        """Return what a caller in *folder* below *agent* gets.

        The nearest folder counts most, then the agent, then the choice for everything, then the
        `default` of the configuration, then the only credential. Choices of credentials that are
        not configured do not count.
        """
        found = [
            each
            for each in self.made
            if each.credential in config.credentials and each.counts(folder, agent)
        ]
        if found:
            best = max(found, key=lambda each: each._rank)  # noqa: SLF001 - its own class
            return Chosen(
                credential=config.credentials[best.credential],
                because=f"chosen {best.describe()} by credward use",
            )
        because = "default in the configuration" if config.default else "the only one"
        default = default_credential(config)
        return Chosen(credential=default, because=because if default else "")

    def seen_by(self, uid: int, owner: int) -> Choices:
        """Return what *uid* may see if the daemon runs as *owner*: its own; owner and root: all.

        Folders and names of credentials are nobody else's business, though all choices count.
        """
        if uid in {0, owner}:
            return self
        return Choices(made=tuple(each for each in self.made if each.uid == uid))

    def with_one(self, choice: Choice) -> Choices:
        """Return the choices with *choice*, without an earlier one for its folder and agent."""
        rest = self.without(folder=choice.folder, agent=choice.agent)
        return Choices(made=(*rest.made, choice))

    def without(self, *, folder: str | None, agent: str | None) -> Choices:
        """Return the choices without the one for this folder and agent."""
        rest = [each for each in self.made if (each.folder, each.agent) != (folder, agent)]
        return Choices(made=tuple(rest))

    def warnings(self, config: Config) -> list[str]:
        """Return what the owner should know."""
        lost = [
            f'"{each.credential}" was chosen {each.describe()}, but it is not configured: '
            "run credward use for the list"
            for each in self.made
            if each.credential not in config.credentials
        ]
        return [*([self.problem] if self.problem else []), *lost]


def place_of(folder: str | None, agent: str | None) -> str:
    """Return for whom and where as part of a sentence, empty for everybody everywhere."""
    whom = f"for {agent}" if agent else ""
    where = f"in {folder}" if folder else ""
    return " ".join(filter(None, (whom, where)))
