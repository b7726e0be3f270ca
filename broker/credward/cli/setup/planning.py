"""What `setup claude-code` would do to a settings file: the options, the file, its new content.

Changes nothing. `claude_code` knows the settings, `settings_file` edits the text.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.settings_file import Change, Record
from credward.cli.setup.variables import chosen_variables
from credward.cli.start import paths, reach
from credward.client import Client
from credward.config import CredentialConfig, load_config
from credward.errors import BrokerError, Kind
from credward.issuing.asking import DEFAULT_NAME, find_credential

__all__ = [
    "LEVELS",
    "Options",
    "Plan",
    "active_notes",
    "credential_for",
    "is_shared",
    "members_for",
    "plan_set_up",
    "plan_undo",
    "shared_notes",
    "target_of",
]

LEVELS = ("user", "local", "project", "managed")
# A first mint may start a worker or a program (seconds).
_MINTING = 35.0
# Others have it in another place.
_ON_PATH = Path("credward-helper")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one run; *file* replaces the file of *level*.

    *active*: the helper's line names no credential, so `credward use` chooses.
    """

    level: str
    file: Path | None
    ttl: int | None
    variables: tuple[str, ...]
    authorities: tuple[str, ...]
    proxies: tuple[str, ...]
    dry_run: bool
    yes: bool
    replace: bool
    undo: bool
    as_json: bool
    active: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The planned state of the file *target*; *after* None: no file.

    *changes*: what we do; none for an undo, which is of what *earlier* says, what we did before.
    *whole*: it becomes exactly the original.
    """

    target: Path
    before: str
    after: str | None
    changed: bool
    changes: list[Change] | None = None
    earlier: Record | None = None
    whole: bool = False

    def diff(self) -> str:
        """Return the change for people."""
        return settings_file.diff(self.target, self.before, self.after or "")


def target_of(options: Options, files: Mapping[str, Path]) -> Path:
    """Return the file that *options* name; *files*: by level."""
    if options.file is None:
        return files[options.level]
    if str(options.file) in LEVELS:
        raise BrokerError(
            Kind.BAD_REQUEST, f'"{options.file}" is a level, not a file: use --level {options.file}'
        )
    if options.file.suffix != ".json" and "/" not in str(options.file):
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{options.file}" is not a settings file: use --level {", ".join(LEVELS)}, or '
            "--settings with the path of a .json file",
        )
    return options.file.expanduser().absolute()


def credential_for(name: str, *, active: bool) -> CredentialConfig:
    """Return the credential to set up for: *name*, else what `credward use` chose, or the only one.

    *active*: the helper's line will name none, so that only what is chosen can be meant.
    """
    config = load_config(paths())
    if name != DEFAULT_NAME:
        if active:
            raise click.UsageError("--active takes no NAME: choose one with credward use")
        return find_credential(config, name)
    if len(config.credentials) < 2:
        return find_credential(config, name)
    from credward.callers.programs import CLAUDE_CODE
    from credward.cli.chosen import chosen_here

    chosen = chosen_here(config, reach(start=True).choices(), CLAUDE_CODE)
    return chosen.credential or find_credential(config, name)


def active_notes() -> Iterator[str]:
    """Yield what to know about a line that names no credential, if none is chosen everywhere."""
    from credward.callers.programs import CLAUDE_CODE
    from credward.cli.chosen import chosen_here

    found = reach(start=True).choices()
    if chosen_here(load_config(paths()), found, CLAUDE_CODE, elsewhere=True).credential is None:
        yield (
            "note: in other folders no credential is chosen, so Claude Code gets none there: run "
            "credward use NAME, without --here"
        )


def is_shared(target: Path, files: Mapping[str, Path]) -> bool:
    """Return whether everyone who clones the repository gets the file *target*."""
    # In the home directory both are the same file.
    return target == files["project"] != files["user"]


def shared_notes(target: Path, name: str) -> Iterator[str]:
    """Yield what to know about a shared file, one line each."""
    yield (
        f"note: {target} is shared with everyone who clones the repository: each of them needs "
        f'{_ON_PATH} on PATH and a credential named "{name}"'
    )
    if shutil.which(_ON_PATH) is None:
        yield f"warning: {_ON_PATH} is not on your PATH: add its directory, or use --level local"


def members_for(
    credential: CredentialConfig,
    options: Options,
    *,
    shared: bool,
    variables: Mapping[str, str],
) -> dict[tuple[str, ...], Any]:
    """Return the members to set; raise `fix-configuration` if a helper cannot give *credential*."""
    from credward.cli.helper_probe import find_helper

    if (problem := claude_code.misfit(credential)) is not None:
        raise BrokerError(Kind.FIX_CONFIGURATION, f'"{credential.name}" {problem}')
    ttl = options.ttl
    if ttl is None:
        ttl = claude_code.cache_time(_life(credential))
    helper = _ON_PATH if shared else find_helper()
    return claude_code.wanted(helper, credential, ttl, variables, named=not options.active)


def plan_set_up(
    target: Path,
    credential: CredentialConfig,
    options: Options,
    *,
    shared: bool,
    earlier: Record | None,
) -> Plan:
    """Return what makes Claude Code ask for *credential*; *earlier*: what we did to the file."""
    before = settings_file.read(target)
    variables = chosen_variables(options.variables, before, earlier)
    members = members_for(credential, options, shared=shared, variables=variables)
    after, changes = settings_file.apply(before, members, earlier)
    for change in changes:
        foreign = change.path == list(claude_code.HELPER) and change.before is not None
        if foreign and not claude_code.ours(change.before) and not options.replace:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{target}" already has an apiKeyHelper: run this again with --replace '
                "(--undo brings it back)",
            )
    return Plan(
        target=target,
        before=before,
        after=after,
        changed=after != before,
        changes=changes,
        earlier=earlier,
    )


def plan_undo(target: Path, record: Record | None) -> Plan:
    """Return what restores the file."""
    before = settings_file.read(target)
    if record is None:
        raise BrokerError(
            Kind.BAD_REQUEST, f'"{target}" was not changed by credward: nothing to undo'
        )
    after, whole = settings_file.undone(target, before, record)
    changed = target.exists() if after is None else after != before
    return Plan(
        target=target, before=before, after=after, changed=changed, earlier=record, whole=whole
    )


def _life(credential: CredentialConfig) -> float | None:
    """Return how long its tokens last (seconds), if settings or a mint can tell."""
    with suppress(BrokerError):
        client = reach(timeout=_MINTING)
        if (life := _seen_life(client, credential)) is None:
            client.refresh(credential.name, _MINTING)
            life = _seen_life(client, credential)
        if life is not None:
            return life
    return credential.meaning.lifetime


def _seen_life(client: Client, credential: CredentialConfig) -> float | None:
    lives = (each.life for each in client.statuses().credentials if each.name == credential.name)
    return next(lives, None)
