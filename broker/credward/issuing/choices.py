"""Which credential a caller gets that names none: what its user chose, where, and for whom.

Pure: `administering.choosing` keeps the choices, `gate` decides whether the caller may have it. A
choice can only select among credentials; policy decides as if the credential had been named.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from credward.config import Config, CredentialConfig
from credward.issuing.asking import default_credential

__all__ = ["REPLACED", "Choice", "Choices", "Chosen", "chooser", "place_of", "usual"]

# Stands for bytes of a folder's name that are not UTF-8: several folders look the same.
REPLACED = "\N{REPLACEMENT CHARACTER}"


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One choice of a user.

    *folder*: an absolute path without links; it counts there and below, None: everywhere. *agent*:
    the name of a harness (`Caller.harness`), None: any caller. *uid*: whose it is (see `chooser`).
    """

    credential: str
    folder: str | None = None
    agent: str | None = None
    uid: int | None = None

    def describe(self) -> str:
        """Return for whom it was chosen, as part of a sentence."""
        return place_of(self.folder, self.agent) or "for everything"

    def clearing(self) -> str:
        """Return the command that forgets it."""
        agent = "" if self.agent is None else f" --for {self.agent}"
        folder = "" if self.folder is None else f" --in {shlex.quote(self.folder)}"
        return f"credward use --clear{agent}{folder}"

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
    def _place(self) -> tuple[int | None, str | None, str | None]:
        """What there is one choice for."""
        return (self.uid, self.folder, self.agent)

    @property
    def _rank(self) -> tuple[bool, int, bool]:
        """The caller's own come before the owner's, then the nearest folder, then the agent."""
        depth = -1 if self.folder is None else len(self.folder)
        return (self.uid is not None, depth, self.agent is not None)


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The credential for a caller that names none (None: it must name one), and why this one.

    *by_use*: somebody chose it, it is no default.
    """

    credential: CredentialConfig | None
    because: str = ""
    by_use: bool = False


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """All choices: of each user one for each folder and agent.

    *problem*: why earlier ones are not known.
    """

    made: tuple[Choice, ...] = ()
    problem: str = ""

    @property
    def need_folder(self) -> bool:
        """Whether the caller's folder matters."""
        return any(each.folder is not None for each in self.made)

    def pick(
        self,
        config: Config,
        *,
        uid: int | None = None,
        folder: str | None = None,
        agent: str | None = None,
    ) -> Chosen:
        """Return what a caller of *uid* (see `chooser`) in *folder* below *agent* gets.

        Its user's own choices count most, then the owner's, no others: of these the one for the
        nearest folder, then for the agent, then for everything. Then comes the `default` of the
        configuration, then the only credential. Choices of credentials that are not configured do
        not count.
        """
        found = [
            each
            for each in self.made
            if each.uid in {uid, None}
            and each.credential in config.credentials
            and each.counts(folder, agent)
        ]
        if found:
            best = max(found, key=lambda each: each._rank)  # noqa: SLF001 - its own class
            return Chosen(
                credential=config.credentials[best.credential],
                because=f"chosen {best.describe()} by credward use",
                by_use=True,
            )
        because = "default in the configuration" if config.default else "the only one"
        default = default_credential(config)
        return Chosen(credential=default, because=because if default else "")

    def of(self, uid: int | None) -> Choices:
        """Return those of *uid* (see `chooser`), which nobody else sees or changes."""
        own = tuple(each for each in self.made if each.uid == uid)
        return Choices(made=own, problem="" if uid is not None else self.problem)

    def with_one(self, choice: Choice) -> Choices:
        """Return the choices with *choice*, without an earlier one for the same."""
        rest = self.without(uid=choice.uid, folder=choice.folder, agent=choice.agent)
        return Choices(made=(*rest.made, choice))

    def without(self, *, uid: int | None, folder: str | None, agent: str | None) -> Choices:
        """Return the choices without the one of this user for this folder and agent."""
        place = (uid, folder, agent)
        rest = [each for each in self.made if each._place != place]  # noqa: SLF001 - its own class
        return Choices(made=tuple(rest))

    def warnings(self, config: Config) -> list[str]:
        """Return what the owner should know."""
        lost = [
            f'"{each.credential}" was chosen {each.describe()}, but it is not configured: '
            f"run {each.clearing()}"
            for each in self.made
            if each.credential not in config.credentials
        ]
        return [*([self.problem] if self.problem else []), *lost]


def usual(config: Config, names: Sequence[str]) -> Chosen:
    """Return the first of *names* that is configured, for callers that are limited to these."""
    found = next((config.credentials[each] for each in names if each in config.credentials), None)
    return Chosen(credential=found, because="the first of the endpoint" if found else "")


def chooser(uid: int, owner: int) -> int | None:
    """Return whose choices *uid* makes if the daemon runs as *owner*: None: the owner's.

    Root's are the owner's too: nobody logs in as the user of a daemon that serves several.
    """
    return None if uid in {0, owner} else uid


def place_of(folder: str | None, agent: str | None) -> str:
    """Return for whom and where as part of a sentence, empty for everybody everywhere."""
    whom = f"for {agent}" if agent else ""
    where = f"in {folder}" if folder else ""
    return " ".join(filter(None, (whom, where)))
