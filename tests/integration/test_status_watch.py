"""`credward status --watch` in a real terminal: what is on its screen, and what is left behind."""

from __future__ import annotations

import os
import re
import shlex
import signal

import pytest

from integration.agent_programs import agent
from integration.command_line import cli, command
from integration.daemon import DaemonFactory, RunningDaemon
from integration.terminal_window import Window, missing
from waiting import until

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

WATCH = shlex.join([*command("status"), "--watch"])
CONFIG = """
[credentials.gateway]
provider = "local"
lifetime = 3600

[credentials.deploy-production-eu-west]
provider = "command"
command = ["/bin/false"]
"""


@pytest.fixture
def daemon(start_daemon: DaemonFactory) -> RunningDaemon:
    return start_daemon(CONFIG)


def masked(lines: list[str]) -> list[str]:
    """Return lines with `#` for each digit, which are times and counts."""
    return [re.sub(r"\d", "#", line) for line in lines]


def test_the_screen_is_as_documented_and_as_before_afterwards(daemon: RunningDaemon) -> None:
    """Fits 80 columns; says who asked as people do; `q` ends it and nothing of it stays."""
    folder = daemon.home / "src/app"
    asked = ["gateway", "gateway", "deploy-production-eu-west"]
    with (
        agent(daemon, "claude", folder, asked),
        Window(daemon.home, daemon.environment) as window,
    ):
        window.run("stty -a > before")
        window.run(f"{WATCH}; echo ended $?; stty -a > after")
        seen = window.wait_for("by hand")
        assert masked(seen) == [
            "credward status                                               ##:##:##   q: quit",
            "",
            "NAME                       STATE  EXPIRES  ASKS  LAST-ASKED-BY",
            "gateway                    fresh  ##m##s   #     claude in ~/src/app",
            "deploy-production-eu-west  empty  -        #     claude in ~/src/app",
            "",
            '"deploy-production-eu-west" got no token, program "/bin/false" failed (exit code',
            "#, # bytes on stderr): run /bin/false by hand",
        ]
        assert (window.fact("alternate_on"), window.fact("cursor_flag")) == ("1", "0")

        window.press("q")
        after = window.wait_for("ended 0")
        assert (window.fact("alternate_on"), window.fact("cursor_flag")) == ("0", "1")
        assert not any("LAST-ASKED-BY" in line for line in after)
        until((daemon.home / "after").exists)
        window.run("echo typed")
        window.wait_for("\ntyped")
    assert (daemon.home / "after").read_text() == (daemon.home / "before").read_text()


@pytest.mark.parametrize("how", ["C-c", "TERM"])
def test_other_ends_restore_the_terminal_too(daemon: RunningDaemon, how: str) -> None:
    """Ctrl-C, and a signal, which its sender sees."""
    with Window(daemon.home, daemon.environment) as window:
        window.run(f"sh -c 'echo $$ > pid; exec {WATCH}'; echo ended $?")
        window.wait_for("q: quit")
        if how == "TERM":
            os.kill(int((daemon.home / "pid").read_text()), signal.SIGTERM)
        else:
            window.press(how)
        window.wait_for("ended 143" if how == "TERM" else "ended 0")
        assert (window.fact("alternate_on"), window.fact("cursor_flag")) == ("0", "1")


def test_an_error_is_said_on_the_old_screen(daemon: RunningDaemon) -> None:
    """Not on the one that vanishes with it."""
    with Window(daemon.home, daemon.environment) as window:
        window.run(f"{WATCH} gatewy; echo ended $?")
        seen = " ".join(window.wait_for("ended 78"))

    assert '"gatewy" is not configured, perhaps "gateway"' in seen


def test_a_new_size_and_a_stop_are_followed(daemon: RunningDaemon) -> None:
    """More columns in a wider window; after Ctrl-Z and `fg` it is drawn anew."""
    with Window(daemon.home, daemon.environment, shell=("bash", "--norc")) as window:
        window.run(WATCH)
        assert "PROVIDER" not in " ".join(window.wait_for("q: quit"))
        window.tmux("resize-window", "-x", "140", "-y", "30")
        window.wait_for("PROVIDER")
        window.press("C-z")
        window.wait_for("Stopped")
        assert (window.fact("alternate_on"), window.fact("cursor_flag")) == ("0", "1")
        window.run("fg")
        window.wait_for("PROVIDER")
        assert window.fact("alternate_on") == "1"


def test_a_daemon_that_is_gone_is_waited_for(daemon: RunningDaemon) -> None:
    """What was seen last stays, with a line that says so."""
    with Window(daemon.home, daemon.environment) as window:
        window.run(WATCH)
        window.wait_for("gateway")
        daemon.stop()
        assert "gateway" in " ".join(window.wait_for("no answer since"))
        daemon.start()
        until(lambda: "no answer" not in "\n".join(window.screen()))


@pytest.mark.parametrize("coloured", [True, False])
def test_no_color_is_honoured(daemon: RunningDaemon, coloured: bool) -> None:
    """In what is drawn, and in what is printed."""
    environment = daemon.environment | ({} if coloured else {"NO_COLOR": "1"})
    with Window(daemon.home, environment) as window:
        window.run(shlex.join(command("status")) + "; echo done")
        window.wait_for("\ndone")
        printed = window.tmux("capture-pane", "-p", "-e")
        window.run(WATCH)
        window.wait_for("q: quit")
        drawn = window.tmux("capture-pane", "-p", "-e")

    assert [bool(re.search(r"\x1b\[[1-9]", text)) for text in (printed, drawn)] == [coloured] * 2


def test_without_a_terminal_it_refuses(daemon: RunningDaemon) -> None:
    """A program wants JSON."""
    done = cli(daemon, "status", "--watch")

    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == (
        "credward: --watch needs a terminal: run credward status --json instead\n"
    )
