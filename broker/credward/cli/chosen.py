"""Which credential an agent gets in this folder if it names none, by its user's choices."""

from __future__ import annotations

from pathlib import Path

from credward import wire
from credward.config import Config
from credward.issuing.choices import Choice, Choices, Chosen

__all__ = ["chosen_here"]


def chosen_here(
    config: Config, told: wire.ChoiceList, agent: str, *, elsewhere: bool = False
) -> Chosen:
    """Return what *agent* gets here; *told*: the choices that the daemon keeps.

    *elsewhere*: in a folder that nothing was chosen for.
    """
    made = tuple(
        Choice(credential=each.credential, folder=each.folder, agent=each.agent)
        for each in told.choices
    )
    return Choices(made=made).pick(
        config, folder=None if elsewhere else str(Path.cwd()), agent=agent
    )
