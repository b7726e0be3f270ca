"""Hot reload by SIGHUP: validate, then swap; a broken file keeps the old one and says so."""

from __future__ import annotations

import signal

from integration.command_line import by_owner, cli
from integration.daemon import DaemonFactory
from integration.minting import MintProgram
from waiting import until


def test_a_new_credential_is_there_and_the_old_token_stays(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """What did not change is not minted again."""
    daemon = start_daemon(program.block("gateway"))
    daemon.get("gateway")
    daemon.write_config(program.block("gateway") + program.block("second"))
    daemon.send(signal.SIGHUP)
    until(lambda: daemon.get("second").status == 200)

    assert daemon.get("gateway").text == "opaque-1"


def test_a5_a_broken_file_keeps_the_old_configuration_and_says_so(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """A5: an error on reload changes nothing but the log."""
    daemon = start_daemon(program.block("gateway"))
    daemon.get("gateway")
    daemon.write_config("[credentials.gateway]\nprovider = 'comand'\n")
    daemon.send(signal.SIGHUP)
    until(lambda: "reload refused" in daemon.log())

    assert daemon.get("gateway").text == "opaque-1"
    assert "config.toml:2" in daemon.log()


def test_a_changed_entry_is_minted_anew(start_daemon: DaemonFactory, program: MintProgram) -> None:
    """Another epoch: the token of the old settings is never handed out again."""
    daemon = start_daemon(program.block("gateway"))
    daemon.get("gateway")
    daemon.write_config(program.block("gateway", timeout=20))
    daemon.send(signal.SIGHUP)
    until(lambda: daemon.get("gateway").text == "opaque-2")

    assert program.mints == 2


@by_owner
def test_the_command_says_that_the_old_one_stays(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Whoever typed it need not look into the log."""
    daemon = start_daemon(program.block("gateway"))
    daemon.get("gateway")
    daemon.write_config("[credentials.gateway]\nprovider = 'comand'\n")
    done = cli(daemon, "daemon", "reload")

    assert done.returncode == 78
    assert "the old configuration stays" in done.stderr
    assert "run credward config check" in done.stderr
    assert daemon.get("gateway").text == "opaque-1"
