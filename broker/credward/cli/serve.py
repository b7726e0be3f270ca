"""`credward serve`: run the daemon (see `daemon`)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from credward.account import find_account
from credward.cli.names import complete_log_levels
from credward.cli.start import paths

__all__ = ["command"]


@click.command(
    "serve",
    hidden=True,
    short_help="Run the daemon, in the foreground or detached.",
    epilog="Example: credward serve --config my.toml",
)
@click.option("--config", type=click.Path(path_type=Path), help="Read only this file.")
@click.option("--socket", type=click.Path(path_type=Path), help="Listen at this path.")
@click.option("--detach", is_flag=True, help="Return once the daemon is ready; it runs on.")
@click.option("--recorded", is_flag=True, help="Use the recorded directories; for units.")
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    shell_complete=complete_log_levels,
    help="debug|info|warning|error.",
)
@click.option("--log-file", type=click.Path(path_type=Path), help="Append the log to this file.")
def command(
    config: Path | None,
    socket: Path | None,
    detach: bool,
    recorded: bool,
    log_level: str,
    log_file: Path | None,
) -> None:
    """Run the daemon in the foreground, or leave it in the background.

    Send SIGHUP to read the configuration again, SIGTERM to stop. A service manager does not know
    XDG_CONFIG_HOME and XDG_STATE_HOME of a shell: with --recorded they have the values that
    `credward daemon start` recorded.
    """
    from credward.daemon.run import run

    if recorded:
        # For the whole process: workers and the programs that they run get them too.
        os.environ.update(find_account().lasting_places())
    sys.exit(
        run(
            paths=paths(),
            config_path=config.absolute() if config else None,
            socket=socket.absolute() if socket else None,
            detach=detach,
            log_level=log_level,
            log_file=log_file.absolute() if log_file else None,
        )
    )
