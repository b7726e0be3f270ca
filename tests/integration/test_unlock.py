"""`credward unlock` as people type it: a wrong passphrase is asked for again, in the same place."""

from __future__ import annotations

from canaries import canary
from integration.command_line import by_owner, cli
from integration.daemon import DaemonFactory
from integration.on_terminal import OnTerminal

pytestmark = by_owner

BLOCK = '[credentials.x]\nprovider = "static"\nsecret = { store = "key" }\n'


def test_a_wrong_passphrase_is_asked_for_again(start_daemon: DaemonFactory) -> None:
    """What is typed next is the right one, and must not go into the shell; a pipe has one try."""
    daemon = start_daemon(BLOCK)
    right, wrong = canary("right"), canary("wrong")
    cli(daemon, "secret", "set", "key", given="k")
    assert cli(daemon, "lock", "--passphrase-stdin", given=right).returncode == 0
    piped = cli(daemon, "unlock", "--passphrase-stdin", given=f"{wrong}\n{right}\n")
    with OnTerminal(daemon, "unlock") as terminal:
        terminal.answer("passphrase", wrong)
        terminal.wait_for("the passphrase does not open the store, try again")
        terminal.answer("passphrase", right)
        terminal.wait_for("unlocked")
        assert terminal.end() == 0

    assert piped.returncode == 77
    assert "the passphrase does not open the store: run credward unlock" in piped.stderr
    assert right not in terminal.text
    assert cli(daemon, "get", "x").stdout == "k\n"


def test_three_wrong_passphrases_are_enough(start_daemon: DaemonFactory) -> None:
    """The last one is told as an error."""
    daemon = start_daemon(BLOCK)
    cli(daemon, "secret", "set", "key", given="k")
    cli(daemon, "lock", "--passphrase-stdin", given=canary("right"))
    with OnTerminal(daemon, "unlock") as terminal:
        for _ in range(3):
            terminal.answer("passphrase", "wrong")
        assert terminal.end() == 77

    assert terminal.text.count("try again") == 2
