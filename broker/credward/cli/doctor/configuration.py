"""The first link: the configuration and the policy can be read; and the credential is in there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from credward.callers.programs import CLAUDE_CODE
from credward.cli.chosen import chosen_here
from credward.cli.config import checked_policy
from credward.cli.doctor.finding import Finding, Known, ok, warn
from credward.cli.helper_probe import find_helper
from credward.cli.setup.claude_code_merged import read_merged
from credward.cli.start import paths, reach
from credward.config import load_config
from credward.issuing.asking import DEFAULT_NAME, find_credential
from credward.paths import environment

__all__ = ["check_active", "check_configuration"]


def check_configuration(known: Known) -> Iterator[Finding]:
    """Report the files."""
    known.config = config = load_config(paths())
    known.policy_epoch = checked_policy(config).epoch
    files = ", ".join(str(source) for source in config.sources) or "no file"
    yield ok("configuration", files)
    for warning in config.warnings:
        yield warn("configuration", warning)
    if known.name != DEFAULT_NAME:
        yield from _named(known, known.name)


def check_active(known: Known) -> Iterator[Finding]:
    """Report which credential Claude Code gets here if none is named, and why."""
    why = ""
    if known.statuses is not None and known.config is not None:
        chosen = chosen_here(known.config, reach().choices(), CLAUDE_CODE)
        if chosen.credential is not None:
            known.unnamed, why = chosen.credential.name, f" ({chosen.because})"
        elif (named := _named_in_settings(known)) is not None:
            known.unnamed, why = named, " (named in the settings of Claude Code)"
    if known.name == DEFAULT_NAME:
        yield from _named(known, known.unnamed, why)


def _named_in_settings(known: Known) -> str | None:
    """Return the credential that the helper's line names, None if there is none that exists."""
    known.merged = read_merged(environment(), Path.cwd(), known.settings)
    name = known.merged.named(find_helper())
    return name if known.config is not None and name in known.config.credentials else None


def _named(known: Known, name: str, why: str = "") -> Iterator[Finding]:
    if known.config is None:
        return
    known.credential = credential = find_credential(known.config, name)
    yield ok("credential", f'"{credential.name}" by {credential.provider}{why}')
