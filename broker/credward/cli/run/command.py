"""`credward run`: start a command with endpoints of its own, which end with it.

`wanted` reads what is asked for, `logins` sees to long runs, `surroundings` makes the variables;
then `program` becomes the command.
"""

from __future__ import annotations

import click

from credward.cli.durations import DURATION
from credward.cli.run.program import become, find_program
from credward.cli.run.surroundings import surroundings
from credward.cli.run.wanted import complete_wanted, read_wanted
from credward.cli.start import reach
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.guess import guess
from credward.paths import environment
from credward.wire import StatusList

__all__ = ["command"]


@click.command(
    "run",
    short_help="Run a command with endpoints of its own.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example: credward run --with bedrock=aws-container -- aws s3 ls\n\n"
    "Example: credward run --with vertex --for 8h -- python train.py\n\n"
    "Example: credward run --with gateway=env -- sh   (a token that is not renewed)",
)
@click.option(
    "--with",
    "words",
    multiple=True,
    metavar="NAME=DOOR",
    shell_complete=complete_wanted,
    help="A credential, and how the command gets it; may be repeated.",
)
@click.option(
    "--for",
    "seconds",
    type=DURATION,
    help="Ask now for each login that would end within this time, such as 8h.",
)
@click.option("--anyway", is_flag=True, help="Start even if a login ends within that time.")
@click.argument(
    "command_line", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED
)
def command(
    words: tuple[str, ...],
    seconds: float | None,
    anyway: bool,
    command_line: tuple[str, ...],
) -> None:
    """Run COMMAND with credentials that its SDKs find by themselves.

    DOOR is aws-container, aws-imds, gce, azure-app-service, azure-imds or http: an endpoint on this
    machine that is there for COMMAND alone, as long as it runs, and always has a fresh token. NAME
    alone takes the usual door of its cloud. With env the token itself is in a variable: it is never
    renewed, and everything that COMMAND starts can read it.

    Variables that count before a door (such as AWS_PROFILE) are not passed on, which is said.
    COMMAND replaces this process: exit code, signals and terminal are its own. It is 127 if COMMAND
    is not found, 126 if it cannot be started. What it may have is decided as without this.

    With --for, COMMAND starts only if no login that is needed ends in that time, as far as
    providers tell (without --with: the logins of all credentials).
    """
    if anyway and seconds is None:
        raise click.UsageError("--anyway goes with --for: add that, or leave it out")
    environ = dict(environment())
    program = find_program(command_line[0], environ)
    if words or seconds is not None:
        client = reach(start=True)
        statuses = _Statuses(client)
        wanted = read_wanted(words, statuses.provider_of)
        if seconds is not None:
            from credward.cli.run.logins import make_last

            names = {each.credential for each in wanted} or statuses.names
            for name in names:
                statuses.provider_of(name)
            make_last(client, names, seconds, anyway=anyway)
        environ = surroundings(client, wanted, environ, seconds=seconds, anyway=anyway)
    become(program, command_line, environ)


class _Statuses:
    """What the daemon says of credentials, asked for at most once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listed: StatusList | None = None

    @property
    def names(self) -> set[str]:
        """The names of all credentials."""
        return set(self._known())

    def provider_of(self, name: str) -> str:
        """Return the provider of a credential; raises `unknown-credential`."""
        known = self._known()
        if name not in known:
            raise BrokerError(
                Kind.UNKNOWN_CREDENTIAL,
                f'"{name}" is not configured{guess(name, known)}: run credward status for the list',
            )
        return known[name]

    def _known(self) -> dict[str, str]:
        self._listed = self._listed or self._client.statuses()
        return {each.name: each.provider for each in self._listed.credentials}
