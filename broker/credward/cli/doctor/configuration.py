"""The first link: the configuration and the policy can be read, and the credential is in there."""

from __future__ import annotations

from collections.abc import Iterator

from credward.cli.config import checked_policy
from credward.cli.doctor.finding import Finding, Known, ok, warn
from credward.cli.start import paths
from credward.config import load_config
from credward.issuing.asking import DEFAULT_NAME, find_credential

__all__ = ["check_configuration"]


def check_configuration(known: Known) -> Iterator[Finding]:
    """Report the files, and which credential is meant."""
    known.config = config = load_config(paths())
    known.policy_epoch = checked_policy(config).epoch
    files = ", ".join(str(source) for source in config.sources) or "no file"
    yield ok("configuration", files)
    for warning in config.warnings:
        yield warn("configuration", warning)
    known.credential = credential = find_credential(config, known.name)
    why = ", the default one" if known.name == DEFAULT_NAME and config.default else ""
    yield ok("credential", f'"{credential.name}" by {credential.provider}{why}')
