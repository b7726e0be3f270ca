"""One credential added: shown, written, tried, and taken out again if it cannot work.

`block` makes the text, `trial` decides what a failure means; who answers which question is `wizard`
and `command`.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from credward.cli.add.block import Wanted, with_block, with_default
from credward.cli.add.trial import Trial, Written, tried, what_next
from credward.cli.config import read_config
from credward.cli.output import format_duration, plain, print_json, say
from credward.cli.recording import record_places
from credward.cli.setup.settings_file import diff
from credward.cli.signals import heeded, held
from credward.cli.start import paths
from credward.cli.surroundings import report
from credward.config import CredentialConfig, load_config
from credward.errors import BrokerError, ConfigErrors, Kind
from credward.paths import environment
from credward.policy.base_url import check_base_url
from credward.policy.client_variables import read_claims

if TYPE_CHECKING:
    from credward.cli.add.take_over import Store

__all__ = ["Added", "Options", "Plan", "add", "carry_out", "plan", "tell", "tell_next"]


# How long the files that the environment names may take (seconds).
_PATIENCE = 4.0
# The end of what the daemon says about a block.
_EDIT = " (credward config edit)"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about any credential."""

    make_default: bool = False
    replace: bool = False
    keep: bool = False
    dry_run: bool = False
    yes: bool = False
    as_json: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The change of the configuration *file*; *existed*: there was a file. *replaces*: a block.

    *former*: the default that it was.
    """

    name: str
    file: Path
    existed: bool
    before: str
    after: str
    replaces: bool
    former: str | None = None

    @property
    def diff(self) -> str:
        """The change, for people."""
        return diff(self.file, self.before, self.after)


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """How a *change* went: the *credential* as it was read once it was written, and its *trial*."""

    change: Plan
    credential: CredentialConfig
    trial: Trial


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What to type next: one of *commands*, or each of them *in_order*."""

    commands: list[str]
    in_order: bool = False

    @property
    def line(self) -> str:
        """The same in one line, for programs."""
        return (", then " if self.in_order else ", or ").join(self.commands)


def add(wanted: Wanted, options: Options) -> int:
    """Add what is wanted and say so; return the exit code."""
    change = plan(wanted, options)
    if options.dry_run:
        click.echo(change.diff, nl=False)
        return 0
    if change.replaces:
        _agree(change, options)
    added = carry_out(change, options)
    if options.as_json:
        print_json(_facts(added))
        failure = added.trial.failure
        return 0 if failure is None else failure.kind.exit_code
    return tell(added, options)


def plan(wanted: Wanted, options: Options) -> Plan:
    """Return the change, without making it."""
    target = paths().config_file
    before = read_config(target)
    known = load_config(paths()).credentials.get(wanted.name)
    if known is not None and not known.origin.startswith(f"{target}:"):
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{wanted.name}" is configured in {known.origin}, not in your file: take another name',
        )
    after, former = with_block(before, wanted), None
    if options.make_default:
        after, former = with_default(after, wanted.name)
    return Plan(
        name=wanted.name,
        file=target,
        existed=target.exists(),
        before=before,
        after=after,
        replaces=known is not None,
        former=former,
    )


@held()
def carry_out(change: Plan, options: Options, *, store: Store | None = None) -> Added:
    """Write the change and try it; what stops that puts back the old file.

    *store*: a secret that is stored before the mint, and is taken back with the file. A signal is
    heeded while it mints.
    """
    before = change.before if change.existed else None
    with store or nullcontext(), Written(change.file, before, change.after) as written:
        try:
            written.write()
            # Read once: what others write from now on does not change what was added.
            credential = load_config(paths()).credentials[change.name]
        except ConfigErrors as errors:
            raise _not_added(change, errors) from errors
        record_places()
        if store is not None:
            store.put()
        with heeded():
            trial = tried(change.name)
        if not trial.stays and not options.keep:
            written.take_back()
            if store is not None:
                store.take_back()
            trial = msgspec.structs.replace(trial, taken_back=True)
    return Added(change=change, credential=credential, trial=trial)


def _agree(change: Plan, options: Options) -> None:
    """Have the user agree that a block is replaced."""
    if change.before == change.after:
        return
    if not options.as_json:
        click.echo(change.diff, nl=False)
    if options.replace or options.yes:
        return
    if not sys.stdin.isatty():
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{change.name}" is already configured: run this again with --replace, '
            "or run credward config edit",
        )
    click.confirm(f"Replace {change.name}?", abort=True)


def _not_added(change: Plan, errors: ConfigErrors) -> BrokerError:
    """Return the same errors without places in a file that nobody will see."""
    texts = [line.removeprefix(f"{change.file}:").partition(": ")[2] for line in errors.lines]
    short = [text.removeprefix(f"credentials.{change.name}") for text in texts]
    short = [text.removeprefix(".").removeprefix(": ") for text in short]
    verb = "changed" if change.replaces else "added"
    return BrokerError(
        errors.kind, f'"{change.name}" was not {verb}, {"; ".join(short)}: correct it, add it again'
    )


def tell(added: Added, options: Options, *, with_next: bool = True) -> int:
    """Say how it went, and what to type next if it works; return the exit code."""
    change, trial = added.change, added.trial
    name, failure = change.name, trial.failure
    if failure is not None and trial.taken_back:
        _complain(trial)
        left = f"{change.file} is as before" if change.existed else "no file was made"
        say(f"{left}: correct that and add it again, or add it with --keep")
        return failure.kind.exit_code
    done = "unchanged" if change.before == change.after else "changed"
    click.echo(f"{change.file}: {done if change.replaces else 'added'} {name}")
    if options.make_default and change.former not in {None, name}:
        click.echo(f"the default is {name} now, it was {change.former}")
    if failure is None:
        _tell_minted(added)
        if with_next:
            tell_next(added.credential)
        return 0
    comes = f"next: {what_next(name, trial)}"
    if failure.kind in {Kind.DENIED, Kind.NOT_RUNNING, Kind.LOGIN_REQUIRED}:
        if failure.kind is not Kind.LOGIN_REQUIRED:
            click.echo(f"not tried: {plain(failure.message)}")
        click.echo(comes)
        return 0
    _complain(trial)
    click.echo(comes, err=True)
    return failure.kind.exit_code


def _complain(trial: Trial) -> None:
    assert trial.failure is not None
    message = plain(trial.failure.message)
    if trial.taken_back:
        # There is no block to edit.
        message = message.removesuffix(_EDIT)
    say(f"credward: {message}")
    if trial.said:
        say(f"the program said: {plain(trial.said)}")


def _tell_minted(added: Added) -> None:
    result = added.trial.minted
    assert result is not None
    stored = added.credential.meaning.handed_out is not None
    what = "found the key, which" if stored else "minted a token that"
    if result.expires_at is None:
        click.echo(f"{what} does not end by itself")
    else:
        click.echo(f"{what} lasts {format_duration(result.expires_at - result.issued_at)}")


def tell_next(credential: CredentialConfig, *, unset: str = "") -> None:
    """Print what to type now that a mint worked, one command a line, so that none is broken.

    *unset*: a variable of this shell that agents would send in place of the token.
    """
    comes = after_mint(credential)
    commands = [*([f"unset {unset}"] if unset else []), *comes.commands]
    title = "next, in this order:" if unset else "next:"
    if comes.in_order:
        title = "next, in this order (set-up allows what this shell sets for TLS or as a proxy):"
    between = "\n  " if len(commands) > 1 else " "
    click.echo(title + "".join(f"{between}{each}" for each in commands))


def after_mint(credential: CredentialConfig) -> Next:
    """Return the commands that use a credential which works."""
    get = f"credward get {credential.name}"
    if credential.base_urls:
        get += f" --base-url {credential.base_urls[0]}"
    if credential.meaning.kind == "aws":
        return Next(commands=[f"{get} --format json", f"credward setup aws {credential.name}"])
    setup = f"credward setup claude-code {credential.name}"
    if _shell_is_refused(credential):
        # Until set-up has allowed it, `get` is denied in this shell.
        return Next(commands=[setup, get], in_order=True)
    return Next(commands=[get, setup])


def _shell_is_refused(credential: CredentialConfig) -> bool:
    """Return whether a certificate authority or a proxy of this shell keeps its token back."""
    try:
        flags = read_claims(report(environment(), _PATIENCE)).flags
    except BrokerError:
        # The file of an authority does not answer: then `get` gets nothing either.
        return True
    place = next(iter(credential.base_urls), None)
    refusal = check_base_url(credential.base_urls, credential.allowed_flags, place, flags)
    return refusal is not None


def _facts(added: Added) -> dict[str, Any]:
    change, trial = added.change, added.trial
    failure, minted = trial.failure, trial.minted
    comes = None
    if failure is None:
        comes = after_mint(added.credential).line
    elif not trial.taken_back:
        comes = what_next(change.name, trial)
    return {
        "name": change.name,
        "file": str(change.file),
        "added": not trial.taken_back,
        "replaced": change.replaces and not trial.taken_back,
        "expires_at": None if minted is None else minted.expires_at,
        "failure": None
        if failure is None
        else {"kind": failure.kind.slug, "message": failure.message, "said": trial.said},
        "next": comes,
    }
