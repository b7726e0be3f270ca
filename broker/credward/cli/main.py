"""The command `credward`: finds the command, turns failures into one line and an exit code.

Each command has its own file, which is imported only when it is called: help and completion know
the commands from the table here.
"""

from __future__ import annotations

import importlib
import sys
from typing import NamedTuple, NoReturn

import click

from credward.cli.output import print_error
from credward.errors import BrokerError, Kind
from credward.paths import environment

__all__ = ["COMMANDS", "FORMER", "main", "run"]


class _Entry(NamedTuple):
    """Where a command is, and its line in the help; without one it is not shown."""

    module: str
    line: str = ""


# What users need every day, in the order that a new user needs it.
_FIRST = {
    "add": _Entry(
        "add.command", "Add a credential; without arguments: ask, or show what is found."
    ),
    "login": _Entry("login", "Log in once for every credential on that grant."),
    "status": _Entry("status", "Show every credential, its token and its grant."),
    "get": _Entry("get", "Print a credential in the format that a program expects."),
    "use": _Entry("use", "Choose the credential for callers that name none."),
    "setup": _Entry("setup.command", "Let a tool get its credential from credward."),
    "run": _Entry("run.command", "Run a command with endpoints of its own."),
    "doctor": _Entry("doctor.command", "Check what really runs, and say what mends it."),
}
_MORE = {
    "remove": _Entry("remove", "Remove a credential, and what was made for it alone."),
    "logout": _Entry("logout", "Forget a login, and revoke it; --all: every one."),
    "lock": _Entry("lock", "Lock the store: nothing is handed out until unlock."),
    "unlock": _Entry("unlock", "Open a locked store."),
    "secret": _Entry("secret", "Keep secrets in the store."),
    "config": _Entry("config", "Check, show, edit and find the configuration."),
    "policy": _Entry("policy", "Check the policy: who may have which credential."),
    "audit": _Entry("audit", "Read who got what, and why not."),
    "daemon": _Entry("daemon", "Start, stop and reload the daemon, and read its log."),
    "completion": _Entry("completion", "Print the script that completes commands in a shell."),
}
# For helpers, service managers and `make demo`.
_HIDDEN = {"start": _Entry("start"), "serve": _Entry("serve"), "demo": _Entry("demo")}
COMMANDS = {**_FIRST, **_MORE, **_HIDDEN}
# Commands that were folded into others.
FORMER = {
    "init": "credward add",
    "refresh": "credward get --fresh NAME",
    "reload": "credward daemon reload",
    "revoke": "credward logout --revoke NAME",
    "version": "credward --version",
}
# A worker that asks its own daemon would wait for itself; these commands ask nobody.
_HARMLESS = {"completion", "--help", "--version"}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for name, entry in COMMANDS.items() if entry.line]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"credward.cli.{COMMANDS[cmd_name].module}")
        found: click.Command = module.command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            _refuse(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, entries in (("Commands", _FIRST), ("More", _MORE)):
            with formatter.section(title):
                formatter.write_dl([(name, entry.line) for name, entry in entries.items()])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        names = [
            click.shell_completion.CompletionItem(name, help=entry.line)
            for name, entry in COMMANDS.items()
            if entry.line and name.startswith(incomplete)
        ]
        # Options; for names, click would import every command.
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


def _refuse(word: str) -> NoReturn:
    """Raise an error that names the command that is meant."""
    from credward.guess import guess

    if (now := FORMER.get(word)) is not None:
        raise BrokerError(Kind.BAD_REQUEST, f'"{word}" is part of another command now: run {now}')
    meant = guess(word, [name for name, entry in COMMANDS.items() if entry.line])
    raise BrokerError(Kind.BAD_REQUEST, f'no command "{word[:64]}"{meant}: run credward --help')


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


def _called(command: click.Command, arguments: list[str], name: str) -> str:
    """Return the words of the command that is called; click's parser does not say."""
    words = [name]
    for word in arguments:
        if not isinstance(command, click.Group):
            break
        found = command.get_command(click.Context(command), word)
        if found is None:
            break
        command = found
        words.append(word)
    return " ".join(words)


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
        if environment().get("_CREDWARD_COMPLETE"):
            from credward.cli.bash_words import join_words

            join_words()
        # Click decides by the terminal alone (https://no-color.org).
        colour = False if environment().get("NO_COLOR") else None
        command(arguments, prog_name=name, standalone_mode=False, color=colour)
    except BrokerError as error:
        if error.kind is Kind.UNKNOWN_CREDENTIAL:
            from credward.cli.explaining import not_in_force

            error = not_in_force(error)
        print_error(error)
        sys.exit(error.kind.exit_code)
    except click.Abort:
        click.echo("credward: cancelled", err=True)
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a command: print its help.
        click.echo(error.format_message(), err=True)
        sys.exit(Kind.BAD_REQUEST.exit_code)
    except click.ClickException as error:
        ctx = error.ctx if isinstance(error, click.UsageError) else None
        path = ctx.command_path if ctx else _called(command, arguments, name)
        text = error.format_message().rstrip(".")
        text = text[:1].lower() + text[1:]
        print_error(BrokerError(Kind.BAD_REQUEST, f"{text}: run {path} --help"))
        sys.exit(Kind.BAD_REQUEST.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone; that is not an error.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        from credward.cli.lost_output import end_without_output, is_lost

        if not is_lost():
            raise
        end_without_output(error)
