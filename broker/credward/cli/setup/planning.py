"""What `setup claude-code` would do to a settings file: the options, the file, its new content.

Changes nothing. `ways` knows what leads to each service, `claude_code` the settings themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.carrying_out import How
from credward.cli.setup.clashes import MODEL, SMALL_MODEL, check_models, find_rivals
from credward.cli.setup.file_plan import Plan, Wish, plan_wish
from credward.cli.setup.record import Owner, Record, memory_of_set_ups
from credward.cli.setup.undo import plans_to_undo, record_of
from credward.cli.setup.variables import chosen_variables
from credward.cli.setup.ways.choosing import way_to
from credward.cli.setup.ways.way import Asked, PassThrough, Way
from credward.cli.start import paths, reach
from credward.client import Client
from credward.config import CredentialConfig, environment, load_config
from credward.errors import BrokerError, Kind
from credward.issuing.asking import DEFAULT_NAME, find_credential
from credward.settings.doors import DoorKind

__all__ = [
    "LEVELS",
    "Options",
    "SetUp",
    "active_notes",
    "asked_of",
    "credential_for",
    "is_shared",
    "members_for",
    "plan_set_up",
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

    *active*: the helper's line names no credential, so `credward use` chooses. *door*: how tokens
    get to a cloud; *pass_through*: to which protocol of a gateway.
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
    door: DoorKind | Literal["helper"] | None
    pass_through: PassThrough | None
    region: str | None
    project: str | None
    base_url: str | None
    model: str | None
    small_model: str | None

    @property
    def how(self) -> How:
        """How the change is made."""
        return How(dry_run=self.dry_run, yes=self.yes, as_json=self.as_json)

    @property
    def models(self) -> list[str]:
        """The words of `--env` for the models."""
        chosen = ((MODEL, self.model), (SMALL_MODEL, self.small_model))
        return [f"{name}={value}" for name, value in chosen if value is not None]


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


class SetUp(msgspec.Struct, frozen=True, kw_only=True):
    """What is planned: the settings file first. *notes* are for people."""

    plans: list[Plan]
    way: Way
    notes: list[str]


def members_for(
    asked: Asked, way: Way, options: Options, *, shared: bool, variables: Mapping[str, str]
) -> dict[tuple[str, ...], Any]:
    """Return the members of the settings file for *way*, with the *variables* that were chosen."""
    from credward.cli.helper_probe import find_helper

    members: dict[tuple[str, ...], Any] = {}
    if way.helper:
        ttl = options.ttl
        if ttl is None:
            ttl = claude_code.cache_time(_life(asked.credential))
        helper = _ON_PATH if shared else find_helper()
        name, named = asked.credential.name, not options.active
        members = claude_code.helper_members(helper, name, ttl, named=named)
    elif options.active or options.ttl is not None:
        word = "--active" if options.active else "--ttl"
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'{word} is for a helper, which "{asked.credential.name}" is not used by: leave it out',
        )
    chosen = {**way.variables, **variables}
    return members | {("env", name): value for name, value in chosen.items()}


def asked_of(
    credential: CredentialConfig, options: Options, target: Path, record: Record | None
) -> Asked:
    """Return what the ways are asked."""
    earlier = record.changes if record is not None else []
    return Asked(
        config=load_config(paths()),
        credential=credential,
        environ=environment(),
        target=target,
        door=options.door,
        region=options.region,
        project=options.project,
        base_url=options.base_url,
        pass_through=options.pass_through,
        earlier={each.path[1]: each.after for each in earlier if each.path[0] == "env"},
    )


def plan_set_up(
    target: Path, credential: CredentialConfig, options: Options, files: Mapping[str, Path]
) -> SetUp:
    """Return what makes Claude Code ask for *credential*; *files*: the settings, by level."""
    record, shared = record_of(target), is_shared(target, files)
    asked = asked_of(credential, options, target, record)
    way = way_to(asked)
    if shared and not claude_code.by_helper(credential):
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{target}" is shared with everyone who clones the repository, and paths and ports '
            "of this machine are not theirs: use --level local",
        )
    before = settings_file.read(target)
    words = [*options.variables, *options.models]
    variables = chosen_variables(words, before, record)
    check_models(variables, way.variables)
    members = members_for(asked, way, options, shared=shared, variables=variables)
    owner = Owner(credential="" if options.active else credential.name)
    wish = Wish(target=target, kind="json", owner=owner, members=members)
    plan = plan_wish(wish, record)
    _refuse_other_helper(plan, options)
    rivals = find_rivals(way, plan, asked.environ)
    records = memory_of_set_ups().load()
    gone = plans_to_undo(
        lambda path, change: (
            change.owner.key == str(target) and path not in {str(each.target) for each in way.files}
        )
    )
    more = [plan_wish(each, records.get(str(each.target))) for each in way.files]
    return SetUp(plans=[plan, *more, *gone], way=way, notes=list(rivals))


def _refuse_other_helper(plan: Plan, options: Options) -> None:
    for change in plan.changes or []:
        foreign = change.path == list(claude_code.HELPER) and change.before is not None
        if foreign and not claude_code.ours(change.before) and not options.replace:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{plan.target}" already has an apiKeyHelper: run this again with --replace '
                "(--undo brings it back)",
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
