"""From arguments to a command, and from a failure to one line and an exit code."""

from pathlib import Path

import pytest

from credward import __version__
from credward.cli.main import COMMANDS, FORMER
from unit.cli.conftest import Run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, name: str) -> None:
    """`--help` works without configuration or daemon and shows what to type."""
    ran = run(name, "--help")

    assert ran.code == 0
    assert "Example: " in ran.out


def test_usage_errors_exit_64_and_name_the_help(run: Run) -> None:
    """Click's own errors have our form and our code."""
    ran = run("get", "--colour")

    assert ran.code == 64
    assert ran.err.startswith("credward: no such option")
    assert ran.err.rstrip().endswith("run credward get --help")
    assert ran.err.count("\n") == 1


def test_no_daemon_is_69_with_the_command(run: Run) -> None:
    """Who asks for states without a daemon is told what to type."""
    ran = run("status")

    assert ran.code == 69
    assert ran.err == (
        "credward: the daemon is not running, and CREDWARD_NO_START forbids to start it: "
        "unset CREDWARD_NO_START\n"
    )


def test_a_worker_may_not_call_us(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """CREDWARD_WORKER=1: refused before anything waits for itself; the version is harmless."""
    monkeypatch.setenv("CREDWARD_WORKER", "1")

    assert run("get", "demo").code == 78
    assert run("--version").out == f"credward {__version__}\n"


def test_unknown_commands_are_named(run: Run) -> None:
    """A typo is a usage error, with the command that is meant."""
    ran = run("stats")

    assert (ran.code, ran.out) == (64, "")
    assert ran.err == 'credward: no command "stats", perhaps "status": run credward --help\n'


@pytest.mark.parametrize("name", FORMER)
def test_a_former_command_names_the_one_of_now(run: Run, name: str) -> None:
    """With the words to type."""
    ran = run(name, "gateway")

    assert (ran.code, ran.out) == (64, "")
    assert ran.err == (f'credward: "{name}" is part of another command now: run {FORMER[name]}\n')


def test_the_help_lists_what_is_used_every_day_first(run: Run) -> None:
    """Each with a line, on the first screen of two; what is for programs is not shown."""
    shown = run("--help").out
    first, _, more = shown.partition("More:")
    listed = [
        line.split()[0] for line in first.partition("Commands:")[2].splitlines() if line.strip()
    ]

    assert listed == ["add", "login", "status", "get", "use", "setup", "run", "doctor"]
    assert "  daemon " in more
    assert not any(f"  {name} " in shown for name in ("serve", "start", "demo"))
    assert len(first.splitlines()) <= 24
    assert len(shown.splitlines()) <= 48
    assert max(map(len, shown.splitlines())) <= 80


def test_commands_are_loaded_when_called(home: Path) -> None:
    """The list of commands costs no import of theirs: the daemon is not loaded by `--help`."""
    import subprocess
    import sys

    program = (
        "import sys; import credward.cli.main; "
        "sys.exit(any(name.startswith('credward.daemon') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)})

    assert home.exists()
    assert done.returncode == 0


def test_a_group_without_a_command_shows_its_commands(run: Run) -> None:
    """The help itself, and no line around it that repeats the question."""
    ran = run("secret")

    assert (ran.code, ran.out) == (64, "")
    assert "credward secret set gateway-key" in ran.err
    assert "run credward secret --help" not in ran.err


@pytest.mark.parametrize(
    "words", [("login",), ("logout", "--all"), ("get",), ("status",)], ids=" ".join
)
def test_before_anything_is_configured(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """No daemon is started for nothing; what comes first is named."""
    monkeypatch.delenv("CREDWARD_NO_START")
    ran = run(*words)

    assert (ran.code, ran.out) == (69, "")
    assert ran.err == "credward: nothing is configured yet: run credward add\n"


@pytest.mark.parametrize("words", [(), ("config",), ("secret",), ("setup",)], ids=str)
def test_lists_of_commands_are_not_cut_off(run: Run, words: tuple[str, ...]) -> None:
    """What a command does fits beside its name, at 80 columns."""
    ran = run(*words, "--help")

    assert ran.code == 0
    assert "..." not in ran.out.partition("Commands:")[2]


@pytest.mark.parametrize("name", ["lock", "unlock"])
def test_what_opens_the_store_has_one_name(run: Run, name: str) -> None:
    """A passphrase, as in the configuration and in the documents."""
    shown = run(name, "--help").out

    assert "--passphrase-stdin" in shown
    assert "password" not in shown.lower()


def test_words_of_other_tools_name_the_command_that_is_meant(run: Run) -> None:
    """As for commands: a former or mistyped word is answered with the one to type."""
    other, mistyped = run("secret", "remove", "key"), run("secret", "alow", "key")
    unlike = run("daemon", "begin")

    assert (other.code, mistyped.code, unlike.code) == (64, 64, 64)
    assert unlike.err == 'credward: no command "begin": run credward daemon --help\n'
    assert other.err == 'credward: no command "remove": run credward secret rm NAME\n'
    assert mistyped.err.startswith('credward: no command "alow", perhaps "allow"')
