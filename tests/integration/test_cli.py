"""The command line against a real daemon."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from credward.cli.helper_probe import find_helper
from integration import command_line
from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram


def cli(
    daemon: RunningDaemon, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return command_line.cli(daemon, *arguments, folder=work(daemon), **environment)


def started(daemon: RunningDaemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter of its own."""
    return subprocess.run(
        command_line.command(*arguments),
        env=daemon.environment,
        cwd=work(daemon),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def work(daemon: RunningDaemon) -> Path:
    # The home of a test is not its account's: what lies there would count as a repository's.
    folder = daemon.home / "work"
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    return folder


def status(daemon: RunningDaemon, name: str) -> dict[str, Any]:
    listed = json.loads(cli(daemon, "status", "--json").stdout)
    found: dict[str, Any] = next(each for each in listed["credentials"] if each["name"] == name)
    return found


def test_get_prints_the_token_and_nothing_else(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Also without a name, where there is only one credential."""
    daemon = start_daemon(program.block("gateway"))

    assert started(daemon, "get", "gateway").stdout == "opaque-1\n"
    assert started(daemon, "get").stdout == "opaque-1\n"
    assert json.loads(started(daemon, "get", "--format", "headers").stdout) == {
        "Authorization": "Bearer opaque-1"
    }
    assert json.loads(started(daemon, "get", "--format", "json").stdout)["token"] == "opaque-1"
    assert "opaque-1" in started(daemon, "get", "--format", "env").stdout


def test_a_token_that_ends_earlier_than_asked_is_marked(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """On standard error, and the token is still the only thing on standard output."""
    program.set(lifetime=600)
    daemon = start_daemon(program.block("gateway"))
    short = started(daemon, "get", "gateway", "--min-remaining", "9000")
    enough = started(daemon, "get", "gateway", "--min-remaining", "60")

    assert (short.returncode, short.stdout.startswith("opaque-")) == (0, True)
    assert short.stderr == "credward: note: it lasts less long than you asked for\n"
    assert (enough.returncode, enough.stderr) == (0, "")


def test_errors_are_one_line_with_the_documented_code(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Unknown name 78, unknown format 64, several without a default 64, upstream down 75."""
    daemon = start_daemon(program.block("gateway") + program.block("other"))
    program.set(exit=75)
    unknown = started(daemon, "get", "gatway")
    no_format = started(daemon, "get", "gateway", "--format", "yaml")
    nameless = started(daemon, "get")
    down = started(daemon, "get", "gateway")

    assert (unknown.returncode, no_format.returncode) == (78, 64)
    assert 'perhaps "gateway"' in unknown.stderr
    assert (nameless.returncode, down.returncode) == (64, 75)
    assert "gateway, other" in nameless.stderr
    for ran in (unknown, no_format, nameless, down):
        assert ran.stdout == ""
        assert ran.stderr.startswith("credward: ")
        assert ran.stderr.count("\n") == 1


def test_a_fresh_one_is_minted_anew_and_status_tells(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Although one is held."""
    daemon = start_daemon(program.block("gateway"))
    cli(daemon, "get", "gateway")
    first = status(daemon, "gateway")
    fresh = cli(daemon, "get", "--fresh", "gateway")
    second = status(daemon, "gateway")

    assert (fresh.returncode, fresh.stdout) == (0, "opaque-2\n")
    assert first["token_id"] != second["token_id"]
    assert (first["mints"], second["mints"]) == (1, 2)
    table = cli(daemon, "status").stdout
    assert table.splitlines()[0].split()[:4] == ["NAME", "PROVIDER", "STATE", "EXPIRES"]
    assert "fresh" in table


def test_a_fresh_one_is_fresh_for_its_audience(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Each audience has a token of its own, and the one that is printed is the one that is minted."""
    serve = '[credentials.gateway.serve]\naudiences = ["https://a"]\n'
    daemon = start_daemon(program.block("gateway") + serve)
    first = cli(daemon, "get", "--audience", "https://a", "gateway").stdout
    fresh = cli(daemon, "get", "--fresh", "--audience", "https://a", "gateway").stdout

    assert (first, fresh) == ("opaque-1\n", "opaque-2\n")


def test_check_answers_for_scripts(start_daemon: DaemonFactory, program: MintProgram) -> None:
    """0 while all is well, 2 when refreshing fails, and no output."""
    daemon = start_daemon(program.block("gateway"))
    cli(daemon, "get", "gateway")
    well = cli(daemon, "status", "--check")
    program.set(exit=75)
    cli(daemon, "get", "--fresh", "gateway")
    failing = cli(daemon, "status", "--check")

    assert (well.returncode, well.stdout) == (0, "")
    assert failing.returncode == 2


def test_doctor_says_what_would_deny_an_agent_of_this_shell(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """A company's certificate authority, in the shell or in the settings, with what allows it."""
    daemon = start_daemon(program.block("gateway", base_url='"https://llm.example.com"'))
    file = daemon.home / "company.pem"
    file.write_text("certificates")
    said = {"NODE_EXTRA_CA_CERTS": str(file)}
    written = cli(daemon, "setup", "claude-code", "gateway", "--yes")
    assert written.returncode == 0, written.stdout + written.stderr
    assert "nothing, for" not in written.stdout
    for found in (cli(daemon, "doctor", **said), _with_settings(daemon, said)):
        assert found.returncode == 77, found.stdout
        assert "fail Claude Code: an agent of this shell gets nothing, because " in found.stdout
        assert f"NODE_EXTRA_CA_CERTS set to {file}" in found.stdout
        assert f"run credward setup claude-code gateway --allow-ca {file}" in found.stdout


def test_doctor_says_for_which_credential_the_settings_are(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """It checks the one that it was asked for, and names the other one that Claude Code has."""
    blocks = (
        program.block(name, base_url=f'"https://{name}.example.com"')
        for name in ("gateway", "claude")
    )
    daemon = start_daemon("".join(blocks))
    assert cli(daemon, "setup", "claude-code", "gateway", "--yes").returncode == 0
    found = cli(daemon, "doctor", "claude")

    assert found.returncode == 78, found.stdout
    assert "ok   helper run: a token of" in found.stdout
    assert (
        f'fail Claude Code: {daemon.home / ".claude/settings.json"} asks for "gateway", '
        'not for "claude": run credward doctor gateway; to change it, run credward setup claude-code claude\n'
    ) in found.stdout
    assert cli(daemon, "setup", "claude-code", "claude", "--yes").returncode == 0
    assert "not for" not in cli(daemon, "doctor", "claude").stdout


def test_s2_doctor_runs_no_line_of_a_repository(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Nobody was asked yet whether that folder is trusted; its words are not repeated either."""
    daemon = start_daemon(program.block("gateway"))
    settings = daemon.home / "work/.claude/settings.json"
    settings.parent.mkdir(parents=True)
    trap = daemon.home / "trap"
    for line in (
        f"touch {trap}; true credward-helper",
        f'{find_helper()} --base-url="$(touch {trap})" gateway',
    ):
        settings.write_text(json.dumps({"apiKeyHelper": line}))
        found = cli(daemon, "doctor", "gateway")

        assert found.returncode == 78, found.stdout
        assert f"fail Claude Code: {settings} " in found.stdout
        assert "run credward setup claude-code gateway --level local\n" in found.stdout
        assert "touch" not in found.stdout
        assert not trap.exists()


def test_g3_setup_and_doctor_heed_how_long_tokens_last(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """As mints have shown: the cache time that is written fits, and a longer one is a fault."""
    program.set(lifetime=120)
    daemon = start_daemon(program.block("gateway"))
    assert cli(daemon, "get", "gateway").returncode == 0
    told = cli(daemon, "setup", "claude-code", "gateway", "--yes")
    settings = json.loads((daemon.home / ".claude/settings.json").read_text())
    assert settings["env"]["CLAUDE_CODE_API_KEY_HELPER_TTL_MS"] == "30000"
    assert "keeps a token" not in told.stdout
    warned = _with_settings(daemon, {"CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "240000"})

    assert warned.returncode == 78, warned.stdout
    assert (
        "fail Claude Code: keeps a token for 4m00s, but the token may expire after 1m00s: "
        "run credward setup claude-code gateway"
    ) in warned.stdout


def _with_settings(daemon: RunningDaemon, said: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run doctor with *said* in Claude Code's settings alone."""
    path = daemon.home / ".claude/settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "env": {**settings["env"], **said}}))
    return cli(daemon, "doctor")


def test_doctor_says_that_the_store_cannot_be_opened(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """A store that cannot be opened fails no token yet, and will; also if no credential was named."""
    daemon = start_daemon.prepare(program.block("gateway") + program.block("second"))
    store = daemon.state_dir / "store.sealed"
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    store.write_text("{}")
    store.chmod(0o644)
    daemon.start()
    try:
        found = cli(daemon, "doctor")
    finally:
        daemon.stop()

    assert found.stdout.count("is open to others: run chmod 0600") == 1
    assert "fail store: store" in found.stdout
    assert "fail credential: name one of gateway, second" in found.stdout
    assert found.returncode == 78
    assert "name one of gateway, second" in found.stdout


@pytest.mark.slow
def test_demo_shows_three_refreshes_and_cleans_up(daemon: RunningDaemon) -> None:
    """The main job end to end, with the helper that is installed or found."""
    for _ in range(3):
        ran = cli(daemon, "demo", "--seconds", "16", "--lifetime", "5")
        # Two seconds are ahead of each end: whoever stands still for longer waits, with good reason.
        if "waited for a mint" not in ran.stderr:
            break
    if "credward-helper is not installed" in ran.stderr:
        pytest.skip("credward-helper is not installed beside this interpreter")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    summary = json.loads(next(line for line in ran.stdout.splitlines() if line.startswith("{")))
    assert summary["refreshes"] >= 3
    assert (summary["waited"], summary["faults"]) == (0, [])
    assert not Path(ran.stdout.split()[3].rstrip(",")).exists()
