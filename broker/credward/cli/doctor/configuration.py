"""The first link: the configuration and the policy can be read; and the credential is in there."""

from __future__ import annotations

from collections.abc import Iterator

from credward.cli.config import checked_policy
from credward.cli.doctor.finding import Finding, Known, ok, warn
from credward.cli.start import paths
from credward.config import load_config
from credward.issuing.asking import DEFAULT_NAME, find_credential

__all__ = ["check_configuration", "check_credential"]


def check_configuration(known: Known) -> Iterator[Finding]:
    """Report the files."""
    known.config = config = load_config(paths())
    known.policy_epoch = checked_policy(config).epoch
    files = ", ".join(str(source) for source in config.sources) or "no file"
    yield ok("configuration", files)
    for warning in config.warnings:
        yield warn("configuration", warning)


def check_credential(known: Known) -> Iterator[Finding]:
    """Report which credential is meant; without a name the daemon knows what was chosen here."""
    if known.config is None:
        return
    name, why = known.name, ""
    if name == DEFAULT_NAME and known.statuses is not None and known.statuses.active:
        name, why = known.statuses.active, f" ({known.statuses.active_because})"
    known.credential = credential = find_credential(known.config, name)
    yield ok("credential", f'"{credential.name}" by {credential.provider}{why}')
