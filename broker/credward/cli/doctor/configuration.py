"""The first links: configuration and policy can be read, and which credential is to be checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from credward.callers.programs import CLAUDE_CODE
from credward.cli.chosen import chosen_here
from credward.cli.config import checked_policy
from credward.cli.doctor.finding import Finding, Known, ok, warn
from credward.cli.doctor.helper_line import asks_for_unknown
from credward.cli.doctor.levels import unset, where
from credward.cli.helper_probe import find_helper
from credward.cli.setup.claude_code_merged import Merged, read_merged
from credward.cli.start import paths, reach
from credward.config import Config, load_config
from credward.errors import BrokerError, Kind
from credward.issuing.asking import DEFAULT_NAME, find_credential, set_up_instead
from credward.paths import environment
from credward.text.viewer import CHOICE

__all__ = ["check_active", "check_configuration"]

_CHECK = "credential"
_BY_SETTINGS = "named in the settings of Claude Code"


def check_configuration(known: Known) -> Iterator[Finding]:
    """Report the files."""
    known.config = config = load_config(paths())
    known.policy_epoch = checked_policy(config).epoch
    files = ", ".join(str(source) for source in config.sources) or "no file"
    yield ok("configuration", files)
    for warning in config.warnings:
        yield warn("configuration", warning)
    if known.name in config.credentials:
        yield _found(known, config, known.name)


def check_active(known: Known) -> Iterator[Finding]:
    """Report which credential is checked: the one that Claude Code gets here if none is named."""
    config = known.config
    if config is None:
        return
    known.merged = merged = read_merged(environment(), Path.cwd(), known.settings)
    try:
        known.unnamed, why = _without_a_name(known, config, merged)
        if known.name == DEFAULT_NAME:
            yield from _not_named(known, config, merged, why)
        elif known.credential is None:
            yield _found(known, config, known.name)
    except BrokerError:
        if not (known.broken and _is_misled(known, config)):
            raise


def _is_misled(known: Known, config: Config) -> bool:
    """Return whether this shell cannot know what is configured, or chosen, without the daemon."""
    if known.statuses is None:
        return known.name == DEFAULT_NAME or not config.credentials
    return not known.shares_files


def _without_a_name(known: Known, config: Config, merged: Merged) -> tuple[str, str]:
    """Return what a helper gets in Claude Code whose line has no name, and why."""
    if variable := merged.environment(folder=False).get(CHOICE):
        return variable, CHOICE
    if known.statuses is not None:
        # Only the daemon knows the choices.
        chosen = chosen_here(config, reach().choices(), CLAUDE_CODE)
        if chosen.credential is not None:
            known.by_use = chosen.by_use
            return chosen.credential.name, chosen.because
    return DEFAULT_NAME, ""


def _not_named(known: Known, config: Config, merged: Merged, why: str) -> Iterator[Finding]:
    name = known.unnamed
    named = merged.named(find_helper()) if merged.helper else None
    if named is not None and named not in config.credentials:
        raise _unknown(merged, config, named)
    if named is not None and why == CHOICE and name != named:
        text = f'{where(merged, CHOICE)}, but the settings of Claude Code ask for "{named}"'
        yield warn(_CHECK, f"{text}, so it does not count there: {unset(merged, CHOICE)}")
        name, why = named, _BY_SETTINGS
    elif named is not None and name == DEFAULT_NAME:
        name, why = named, _BY_SETTINGS
    yield _found(known, config, name, f" ({why})" if why else "")


def _unknown(merged: Merged, config: Config, name: str) -> BrokerError:
    assert merged.helper is not None
    text = f"{merged.helper[1].path} {asks_for_unknown(name, config)}"
    return BrokerError(Kind.UNKNOWN_CREDENTIAL, f"{text}: {set_up_instead(name, config)}")


def _found(known: Known, config: Config, name: str, why: str = "") -> Finding:
    known.credential = credential = find_credential(config, name)
    return ok(_CHECK, f'"{credential.name}" by {credential.provider}{why}')
