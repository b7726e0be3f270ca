"""The daemon: it answers, is this version, has read these files, and its store is open."""

from __future__ import annotations

from collections.abc import Iterator

from credward import __version__
from credward.account import find_account
from credward.cli.doctor.finding import Finding, Known, fail, failed, ok, warn
from credward.cli.recording import unrecorded_places
from credward.cli.start import paths, reach
from credward.config import Config
from credward.errors import BrokerError, Kind
from credward.paths import Paths, environment
from credward.starting.refusal import start_is_wanted
from credward.wire import StatusList, edited_since

__all__ = ["check_daemon"]

_RELOAD = ("daemon", "reload")
_START = ("daemon", "start")


def check_daemon(known: Known) -> Iterator[Finding]:
    """Report on the daemon that this account reaches; start it if that is allowed."""
    for text in unrecorded_places():
        yield warn("automatic start", text)
    try:
        known.statuses = listed = reach(start=True).statuses()
    except BrokerError as error:
        found = paths()
        startable = error.kind is Kind.NOT_RUNNING and found.is_configured and _is_allowed(found)
        yield failed("daemon", error, _START if startable else ())
        return
    if listed.version == __version__:
        yield ok("daemon", f"pid {listed.pid}, version {listed.version}")
    else:
        yield fail(
            "daemon",
            f"pid {listed.pid} is version {listed.version}, and this is {__version__}: "
            "run credward daemon restart",
            Kind.FIX_CONFIGURATION,
        )
    for what, text in (("attestation", listed.attestation), ("hardening", listed.hardening)):
        yield (ok if text == "full" else warn)(what, text)
    # An older one does not say which files it has read.
    known.shares_files = known.config is not None and (
        not listed.policy_epoch or [each.path for each in listed.sources] == _files(known.config)
    )
    if known.config is not None and listed.policy_epoch:
        yield from _configuration(known.config, known.policy_epoch, listed)
    yield from _store(listed)


def _is_allowed(found: Paths) -> bool:
    """Return whether `credward daemon start` would start one here."""
    if found.socket_named:
        return False
    return start_is_wanted(environment()) or (
        find_account().never_followed(environment()) is not None
    )


def _files(config: Config) -> list[str]:
    return [str(each) for each in config.sources]


def _remedy(files: list[str]) -> str:
    """Return what to type if the daemon has not read these *files* of this shell."""
    if files:
        return "run credward daemon restart"
    # Without any a daemon would not start again.
    if environment().get("XDG_CONFIG_HOME"):
        return "unset XDG_CONFIG_HOME"
    return "correct HOME and XDG_CONFIG_HOME, or run credward add"


def _configuration(config: Config, policy_epoch: str, listed: StatusList) -> Iterator[Finding]:
    """Compare what the daemon has in force with what the files say now."""
    files = _files(config)
    check = "configuration in force"
    read = [each.path for each in listed.sources]
    if read != files:
        theirs, ours = (", ".join(each) or "no file" for each in (read, files))
        text = f"the daemon was started with another configuration, {theirs}, not {ours}"
        if not files:
            text = f"the daemon was started with {theirs}, and nothing is configured in this shell"
        if paths().socket_named:
            # It may serve another user, or be in a container.
            yield warn(check, f"{text}: correct CREDWARD_SOCKET if that is the wrong daemon")
        else:
            text = f"{text}: {_remedy(files)}"
            yield fail(check, text, Kind.FIX_CONFIGURATION)
        return
    digests = zip(files, config.digests, listed.sources, strict=True)
    edited = [path for path, digest, source in digests if digest != source.digest]
    # Empty if the files cannot be read, which is reported already.
    if policy_epoch and listed.policy_epoch != policy_epoch:
        edited.append("the policy")
    if edited:
        text = edited_since(" or ".join(edited))
        yield fail(check, text, Kind.FIX_CONFIGURATION, _RELOAD)
    else:
        yield ok(check, "as in the files")


def _store(listed: StatusList) -> Iterator[Finding]:
    failure, unrecorded = listed.store_failure, listed.audit_failure
    failed_with = [each.message for each in (failure, unrecorded) if each is not None]
    for warning in listed.warnings:
        if warning not in failed_with:
            yield warn("daemon", warning)
    if unrecorded is not None:
        yield fail("audit", unrecorded.message, Kind.from_slug(unrecorded.kind))
    # First: as long as it cannot be opened no passphrase helps.
    if failure is not None:
        yield fail("store", failure.message, Kind.from_slug(failure.kind))
    elif listed.locked:
        text = "is locked, so nothing is handed out: run credward unlock"
        yield fail("store", text, Kind.STORE_LOCKED)
    else:
        yield ok("store", listed.store)
