"""`credward daemon`: start, stop, restart and reload it, and read its log."""

from __future__ import annotations

import sys

import click

from credward.cli.output import print_json
from credward.cli.start import client_of, paths, reach
from credward.cli.word_group import WordGroup
from credward.errors import BrokerError, Kind
from credward.paths import environment, find_paths

__all__ = ["command"]

# How long `stop` waits: a mint in progress gets a moment to end (seconds).
_STOPPING = 15.0
_FOLLOW_EVERY = 0.25


@click.group(
    "daemon",
    cls=WordGroup,
    short_help="Start, stop and reload the daemon, and read its log.",
    epilog="Example: credward daemon reload",
)
def command() -> None:
    """Start, stop and reload the daemon, and read its log.

    It starts by itself when a credential is asked for.
    """


@command.command(
    "start",
    short_help="Start it, if it is not running.",
    epilog="Example: credward daemon start",
)
def start() -> None:
    """Start the daemon, if it is not running, and return once it answers.

    If this shell names unusual directories (XDG_CONFIG_HOME and similar), they are recorded: a
    daemon that is started automatically then uses them too.
    """
    from credward.cli.recording import record_places

    running = _running()
    if running is not None:
        record_places(by_hand=True)
        click.echo(f"already running: pid {running}")
        return
    _start()


@command.command(
    "stop",
    short_help="Stop it, after the mints in progress.",
    epilog="Example: credward daemon stop",
)
def stop() -> None:
    """Stop the daemon and wait until it has ended; a renewal in progress is not lost.

    It starts again with the next request of an agent, unless CREDWARD_NO_START=1 is set there.
    """
    running = _running()
    if running is None:
        click.echo("it was not running")
        return
    _stop(running)
    click.echo(f"stopped: pid {running}")


@command.command(
    "restart",
    short_help="Stop it and start it, after an upgrade for example.",
    epilog="Example: credward daemon restart",
)
def restart() -> None:
    """Stop the daemon and start it again: for a new version, or another environment.

    With an error in configuration or policy, or if no daemon may be started here, the old one goes
    on.
    """
    from credward.cli.config import checked

    checked(paths(), None)
    running = _running()
    if running is not None:
        _check_start()
        _stop(running)
    _start()


@command.command(
    "reload",
    short_help="Let it read configuration and policy again.",
    epilog="Example: credward daemon reload",
)
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def reload(as_json: bool) -> None:
    """Check the configuration and policy files, then use them; on an error the old ones stay."""
    try:
        result = reach().reload()
    except BrokerError as error:
        if error.kind is Kind.FIX_CONFIGURATION:
            click.echo("nothing was changed, the old configuration stays", err=True)
        raise
    if as_json:
        print_json(result)
        return
    click.echo(f"in force: {', '.join(result.credentials) or 'no credential'}")
    for warning in result.warnings:
        click.echo(f"warning: {warning}")


@command.command(
    "logs",
    short_help="Print the end of its log; --follow: and what comes.",
    epilog="Example: credward daemon logs --follow",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--lines", "-n", type=click.IntRange(0, 100_000), default=50, show_default=True, help="So many."
)
@click.option("--json", "as_json", is_flag=True, help="The lines as they are in the file.")
def logs(follow: bool, lines: int, as_json: bool) -> None:
    """Print the last lines of the daemon's log. It holds no secrets.

    This is the log of a daemon that was started in the background. A service manager keeps its own:
    journalctl --user -u credward.
    """
    from credward.cli.log_lines import print_log

    path = paths().state_dir / "daemon.log"
    print_log(path, lines=lines, follow=follow, every=_FOLLOW_EVERY, raw=as_json)


def _running() -> int | None:
    """Return the pid of the running daemon, None if there is none."""
    try:
        return client_of(paths(), 5.0).health().pid
    except BrokerError as error:
        if error.kind is Kind.NOT_RUNNING:
            return None
        raise


def _follows() -> bool:
    """Return whether an automatic start can use the directories of this shell."""
    from credward.account import find_account

    return find_account().never_followed(environment()) is None


def _check_start() -> None:
    """Raise if no daemon would be started from here: then none is stopped for it."""
    from credward.starting.refusal import forbidding_variable, is_restricted

    if not _follows():
        return
    environ = environment()
    named = "CREDWARD_SOCKET" if environ.get("CREDWARD_SOCKET") else None
    if (variable := named or forbidding_variable(environ)) is not None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f"{variable} forbids to start a daemon, so the old one goes on: unset {variable}",
        )
    if is_restricted(environ):
        raise BrokerError(
            Kind.BAD_REQUEST,
            "no daemon may be started from inside a sandbox, so the old one goes on: "
            "run credward daemon restart outside of it",
        )
    _check_configured()


def _check_configured() -> None:
    """Raise `not-running` if a daemon that is started from here would have no configuration."""
    from credward.account import find_account
    from credward.cli.recording import is_stray

    account, here = find_account(), paths()
    if is_stray(account, environment()):
        line = f'nothing is configured in "{here.config_dir}": unset XDG_CONFIG_HOME'
        raise BrokerError(Kind.NOT_RUNNING, line)
    if not (here.is_configured or find_paths(account.environment()).is_configured):
        raise BrokerError(Kind.NOT_RUNNING, "nothing is configured yet: run credward add")


def _start() -> None:
    from credward.cli.recording import record_places

    if _follows():
        _check_configured()
        record_places()
        pid = reach(start=True).health().pid
    else:
        # An automatic start would use other directories than this shell.
        from credward.daemon.run import run

        code = run(
            paths=paths(),
            config_path=None,
            socket=None,
            detach=True,
            log_level="info",
            log_file=None,
        )
        if code != 0:
            sys.exit(code)
        pid = client_of(paths(), 5.0).health().pid
    click.echo(f"started: pid {pid}")


def _stop(pid: int) -> None:
    from credward.cli.ending import end_process

    end_process(pid, lambda: _running() == pid, _STOPPING)
