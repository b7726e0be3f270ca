"""The command `credward`: finds the command, turns failures into one line and an exit code.

Each command has its own file, which is imported only when it is called.
"""

from __future__ import annotations

import importlib
import sys

import click

from credward.cli.output import print_error
from credward.errors import BrokerError, Kind
from credward.paths import environment

__all__ = ["COMMANDS", "main", "run"]

# In the order that a new user needs them.
COMMANDS = {
    "init": "credward.cli.init",
    "add": "credward.cli.add",
    "serve": "credward.cli.serve",
    "start": "credward.cli.start",
    "get": "credward.cli.get",
    "status": "credward.cli.status",
    "login": "credward.cli.login",
    "logout": "credward.cli.logout",
    "refresh": "credward.cli.refresh",
    "reload": "credward.cli.reload",
    "config": "credward.cli.config",
    "secret": "credward.cli.secret",
    "lock": "credward.cli.lock",
    "unlock": "credward.cli.unlock",
    "revoke": "credward.cli.revoke",
    "setup": "credward.cli.setup.command",
    "doctor": "credward.cli.doctor",
    "demo": "credward.cli.demo",
    "completion": "credward.cli.completion",
    "version": "credward.cli.version",
}
# A worker that asks its own daemon would wait for itself; these commands ask nobody.
_HARMLESS = {"version", "completion", "--help", "--version"}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return found


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: credward add gateway --provider command -- my-login-tool token",
)
@click.version_option(None, "--version", package_name="credward", message="credward %(version)s")
def credward() -> None:
    """One owner for the credentials of AI agents and cloud SDKs on this machine.

    A daemon keeps short-lived tokens fresh and gives them to the processes that may have them.
    """


def main() -> None:
    """Run the command line."""
    run(credward, sys.argv[1:], "credward")


def run(command: click.Command, arguments: list[str], name: str) -> None:
    """Run *command*; our errors are one line on stderr and a documented exit code."""
    try:
        if environment().get("CREDWARD_WORKER") and not _HARMLESS & set(arguments[:1]):
            raise BrokerError(  # noqa: TRY301 - one place that prints and exits
                Kind.RECURSION,
                "called from within one of its own workers: "
                "take credward out of the program that the provider runs",
            )
        command(arguments, prog_name=name, standalone_mode=False)
    except BrokerError as error:
        print_error(error)
        sys.exit(error.kind.exit_code)
    except click.Abort:
        click.echo("credward: stopped", err=True)
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a command: print its help.
        click.echo(error.format_message(), err=True)
        sys.exit(Kind.BAD_REQUEST.exit_code)
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        text = error.format_message().rstrip(".")
        text = text[:1].lower() + text[1:]
        print_error(BrokerError(Kind.BAD_REQUEST, f"{text}: run {path or name} --help"))
        sys.exit(Kind.BAD_REQUEST.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone; that is not an error.
        sys.stderr.close()
        sys.exit(0)
