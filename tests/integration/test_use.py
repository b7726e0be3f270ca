"""`credward use`: who names no credential gets the one that its owner chose, and hears why."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.command_line import by_owner, cli, status
from integration.daemon import DaemonFactory, RunningDaemon
from integration.test_agents import agent
from transcripts.programs import program
from waiting import PATIENCE

pytestmark = by_owner

CONFIG = """
[credentials.home]
provider = "local"

[credentials.work]
provider = "local"

[credentials.spare]
provider = "local"
"""


@pytest.fixture
def daemon(start_daemon: DaemonFactory) -> RunningDaemon:
    return start_daemon(CONFIG)


def test_what_was_taken_out_by_hand_is_told_alike_everywhere(daemon: RunningDaemon) -> None:
    """Before the reload that is what helps; after it the choice is marked, and told how to end."""
    use(daemon, "spare")
    daemon.write_config(CONFIG.partition("[credentials.spare]")[0])
    before = cli(daemon, "setup", "claude-code", "spare")
    assert cli(daemon, "daemon", "reload").returncode == 0
    after = cli(daemon, "setup", "claude-code", "spare")
    warned = " ".join(cli(daemon, "status").stdout.split())
    marked = use(daemon)
    cleared = use(daemon, "--clear")

    assert before.stderr == (
        'credward: "spare" was taken out of the configuration, and the daemon has not read that '
        "yet: run credward daemon reload\n"
    )
    assert after.stderr.endswith('"spare" is not configured: run credward status for the list\n')
    assert '"spare" was chosen for everything, but it is not configured: run credward use' in warned
    assert "credward use --clear" in warned
    assert "spare (not configured)" in marked
    assert "spare" not in cleared


def helper() -> list[str]:
    found = program("musl")
    if found is None:
        pytest.skip("no musl-gcc")
    return found


def use(daemon: RunningDaemon, *words: str, folder: Path | None = None) -> str:
    done = cli(daemon, "use", *words, folder=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def given(daemon: RunningDaemon, folder: Path | None = None, **environment: str) -> str:
    """Return which credential `credward get` prints there; the token says so in its claims."""
    done = cli(daemon, "get", "--format", "json", folder=folder, **environment)
    assert done.returncode == 0, done.stderr
    name: str = json.loads(done.stdout)["credential"]
    return name


def helped(daemon: RunningDaemon, folder: Path, **environment: str) -> str:
    """Return what the native helper is given there."""
    done = subprocess.run(
        [*helper(), "--format", "json"],
        env={**daemon.environment, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    name: str = json.loads(done.stdout)["credential"]
    return name


def test_for_the_user_for_a_folder_and_for_one_call(daemon: RunningDaemon, tmp_path: Path) -> None:
    """The call counts most, then the nearest folder; nothing is written into the folder."""
    project = tmp_path / "app"
    inner = project / "deep"
    inner.mkdir(parents=True)
    unnamed = cli(daemon, "get")
    assert (unnamed.returncode, unnamed.stdout) == (64, "")
    assert "run credward use NAME to choose one" in unnamed.stderr
    use(daemon, "home")
    said = use(daemon, "work", "--here", folder=project)

    assert said.splitlines()[0] == f'"work" is used in {project}'
    assert said.splitlines()[-1] == f"here: work (chosen in {project} by credward use)"
    assert [given(daemon, each) for each in (None, project, inner)] == ["home", "work", "work"]
    assert [helped(daemon, each) for each in (tmp_path, inner)] == ["home", "work"]
    assert given(daemon, inner, CREDWARD_CREDENTIAL="spare") == "spare"
    assert helped(daemon, inner, CREDWARD_CREDENTIAL="spare") == "spare"
    assert [each.name for each in project.iterdir()] == ["deep"]
    use(daemon, "--clear", "--in", str(project))
    assert given(daemon, inner) == "home"


def test_it_outlives_the_daemon(daemon: RunningDaemon) -> None:
    """Kept in the state directory."""
    use(daemon, "work")
    daemon.stop()
    daemon.start()

    assert given(daemon) == "work"
    found = status(daemon)
    assert (found["active"], found["active_because"]) == (
        "work",
        "chosen for everything by credward use",
    )


def test_for_an_agent_by_its_program(daemon: RunningDaemon) -> None:
    """What its process is counts, not what it says."""
    use(daemon, "home")
    use(daemon, "work", "--for", "claude-code")
    (answer,) = agent(daemon, ("GET", "/v1/credentials/-/json", ""))

    assert json.loads(answer[1])["credential"] == "work"
    assert given(daemon) == "home"
    assert "work        claude  everywhere" in use(daemon)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("wrk",), '"wrk" is not configured, perhaps "work"'),
        (("work", "--for", "claudecode"), '"claudecode" is not a known agent, perhaps "claude'),
        (("--here",), "name the credential, or add --clear"),
        (("work", "--clear"), "--clear takes no name"),
        (("work", "--here", "--in", "/"), "exclude each other"),
        (("work", "--in", "/nowhere"), "'/nowhere' does not exist"),
    ],
)
def test_a_wrong_choice_says_what_to_type(
    daemon: RunningDaemon, words: tuple[str, ...], text: str
) -> None:
    """And chooses nothing."""
    done = cli(daemon, "use", *words)

    assert done.returncode in {64, 78}
    assert text in done.stderr.replace("NAME", "name"), done.stderr
    assert "run credward" in done.stderr
    assert use(daemon) == "here: none, so name one or run credward use NAME\n"


def test_a_variable_of_the_shell_is_named_as_the_reason(daemon: RunningDaemon) -> None:
    """It counts more than what was chosen."""
    use(daemon, "home")
    done = cli(daemon, "use", CREDWARD_CREDENTIAL="work")

    assert done.stdout.endswith("here: work (CREDWARD_CREDENTIAL of this shell)\n")


def test_claude_code_follows_the_choice_or_a_name(daemon: RunningDaemon) -> None:
    """`setup --active` writes a line without a name; otherwise `use` says that it does not count."""
    named = cli(daemon, "setup", "claude-code", "home", "--yes")
    told = use(daemon, "work", "--for", "claude-code")
    followed = cli(daemon, "setup", "claude-code", "--active", "--yes")
    examined = cli(daemon, "doctor")
    quiet = use(daemon, "spare", "--for", "claude-code")
    refused = cli(daemon, "setup", "claude-code", "home", "--active", "--yes")
    settings = json.loads((daemon.home / ".claude/settings.json").read_text())

    assert "note: this replaces home by what credward use chooses\n" in followed.stdout
    assert (named.returncode, followed.returncode) == (0, 0), named.stdout + followed.stdout
    assert (
        'note: Claude Code still asks for "home" by name: run credward setup claude-code --active'
        in told
    )
    assert "note:" not in quiet
    assert settings["apiKeyHelper"].endswith("credward-helper")
    assert 'ok   credential: "work" by local (chosen for claude by credward use)' in examined.stdout
    assert examined.returncode == 0, examined.stdout
    assert refused.returncode == 64
    assert "--active takes no NAME" in refused.stderr


def test_what_is_removed_is_chosen_no_longer(daemon: RunningDaemon) -> None:
    """Without a warning that nobody can mend."""
    use(daemon, "work", "--for", "codex")
    assert cli(daemon, "remove", "work", "--yes").returncode == 0

    found: dict[str, Any] = json.loads(cli(daemon, "use", "--json").stdout)
    assert found["choices"] == []
    assert status(daemon)["warnings"] == []


def test_an_hour_in_the_cache_of_a_token_of_an_hour(start_daemon: DaemonFactory) -> None:
    """The literal 3600000 of many guides asks for more than there is: no mint for each question.

    The answer says that it is short, and `credward get` says so to people.
    """
    daemon = start_daemon('[credentials.gateway]\nprovider = "local"\nlifetime = 3600\n')
    hour = {"CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "3600000"}
    asked = [
        subprocess.run(
            [*helper(), *words],
            env={**daemon.environment, **extra},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        for words, extra in (((), hour), (("--cache-ttl", "3600"), {}), ((), {}))
    ]
    shown = cli(daemon, "get", "--cache-ttl", "3600")

    assert [(each.returncode, each.stderr) for each in asked] == [(0, "")] * 3
    assert len({each.stdout for each in (*asked, shown)}) == 1
    assert shown.stderr == "credward: note: it lasts less long than you asked for\n"
    assert daemon.status("gateway")["mints"] == 1


def test_a_folder_that_is_not_utf_8_is_shown_and_harms_nobody(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """Whoever asked there is in everybody's status; a choice for a folder above it counts there."""
    odd = tmp_path / os.fsdecode(b"\xff\xfe")
    odd.mkdir()
    use(daemon, "work", "--in", str(tmp_path))
    assert given(daemon, odd) == "work"

    done = cli(daemon, "status", "--json", folder=odd)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["active"] == "work"
    assert cli(daemon, "status", folder=tmp_path).returncode == 0
    refused = cli(daemon, "use", "home", "--here", folder=odd)
    assert refused.returncode != 0
    assert "not UTF-8" in refused.stderr


def test_a_set_up_takes_the_one_that_was_chosen(daemon: RunningDaemon) -> None:
    """Without a choice it says how to make one; with one, its name is in the helper's line."""
    settings = daemon.home / ".claude/settings.json"
    unchosen = cli(daemon, "setup", "claude-code", "--yes")
    assert (unchosen.returncode, settings.exists()) == (64, False)
    assert "run credward use NAME to choose one" in unchosen.stderr
    use(daemon, "work")
    cli(daemon, "setup", "claude-code", "--yes")

    assert json.loads(settings.read_text())["apiKeyHelper"].endswith("credward-helper work")


def test_a_choice_for_a_folder_says_that_claude_code_does_not_follow(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """Its settings name another one; `doctor` there says what lets it follow, for this folder."""
    use(daemon, "home")
    cli(daemon, "setup", "claude-code", "home", "--yes")
    told = use(daemon, "work", "--here", folder=tmp_path)
    examined = cli(daemon, "doctor", folder=tmp_path)

    assert "run credward setup claude-code --active to let it follow" in told
    assert "to change it, run credward setup claude-code --active" in examined.stdout
    assert "setup claude-code work" not in examined.stdout


def test_what_doctor_advises_keeps_a_line_without_a_name(daemon: RunningDaemon) -> None:
    """Also if the line is damaged: what set-up wrote last is recorded; `--fix` keeps it too."""
    settings = daemon.home / ".claude/settings.json"
    use(daemon, "home")
    cli(daemon, "setup", "claude-code", "--active", "--yes")
    whole = settings.read_text()
    settings.write_text(whole.replace("credward-helper", "credward-hel"))
    damaged = cli(daemon, "doctor")
    settings.write_text(whole.replace("exec /", "exec /gone/"))
    fixed = cli(daemon, "doctor", "--fix", "--yes")

    assert "is not tried here: run credward setup claude-code --active --replace" in damaged.stdout
    assert "fix: credward setup claude-code --active\n" in fixed.stdout
    assert settings.read_text() == whole


def test_a_line_without_a_name_needs_a_choice_everywhere(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """Set-up says so, and what its helper is told in another folder begins with the choice."""
    use(daemon, "work", "--here", folder=tmp_path)
    words = ("setup", "claude-code", "--active", "--dry-run")
    partly = cli(daemon, *words, folder=tmp_path)
    (answer,) = agent(daemon, ("GET", "/v1/credentials/-/token", ""))
    use(daemon, "home", "--for", "claude-code")
    wholly = cli(daemon, *words, folder=tmp_path)

    assert "note: in other folders no credential is chosen" in partly.stdout
    assert "in other folders" not in wholly.stdout
    told = json.loads(answer[1])["detail"]
    assert (
        told == "no credential is chosen here: run credward use NAME with one of home, spare, work"
    )


def test_a_variable_with_an_unknown_name_is_no_choice(daemon: RunningDaemon) -> None:
    """Said where the choice is shown."""
    wrong = {"CREDWARD_CREDENTIAL": "wrk"}
    text = 'wrk (CREDWARD_CREDENTIAL of this shell), which is not configured, perhaps "work": unset'

    assert text in cli(daemon, "use", **wrong).stdout
    assert text in cli(daemon, "status", **wrong).stdout
    assert text in cli(daemon, "status", "home", "spare", **wrong).stdout
    known = cli(daemon, "status", "home", "spare", CREDWARD_CREDENTIAL="work").stdout
    assert "not configured" not in known
