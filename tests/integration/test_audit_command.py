"""`credward audit tail` and `credward policy check`, with a real daemon and real files."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

from integration.command_line import cli, command
from integration.daemon import DaemonFactory
from waiting import until

TWO = '[credentials.gateway]\nprovider = "local"\n[credentials.search]\nprovider = "local"\n'


def test_the_last_decisions_are_shown(start_daemon: DaemonFactory) -> None:
    """Who got what, oldest first; of one credential if it is named; as they are for programs."""
    daemon = start_daemon(TWO)
    for name in ("gateway", "search", "nobody", "gateway"):
        daemon.get(name)
    shown = cli(daemon, "audit", "tail").stdout.splitlines()
    one = cli(daemon, "audit", "tail", "gateway", "--lines", "1").stdout
    raw = [json.loads(each) for each in cli(daemon, "audit", "tail", "--json").stdout.splitlines()]

    of_gateway = [" issued            gateway token to " in each for each in shown]
    assert of_gateway == [True, False, True], shown
    assert one.count("\n") == 1
    assert shown[-1] in one
    assert [each["credential"] for each in raw] == ["gateway", "search", "gateway"]


def test_what_comes_is_shown_when_it_comes(start_daemon: DaemonFactory) -> None:
    """Also after the log was rotated."""
    daemon = start_daemon(TWO)
    daemon.get("gateway")
    with subprocess.Popen(
        command("audit", "tail", "--follow", "search"),
        env=daemon.environment,
        cwd=daemon.home,
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        try:
            assert watching.stdout is not None
            for _ in range(2):
                daemon.get("gateway")
                daemon.get("search")
                assert " issued            search token to " in watching.stdout.readline()
                log = daemon.state_dir / "audit.log"
                log.rename(log.with_suffix(".1"))
                daemon.send(signal.SIGHUP)
                until(log.exists)
        finally:
            watching.kill()


def test_no_token_leaves_unrecorded_when_the_log_is_removed(
    start_daemon: DaemonFactory,
) -> None:
    """The whole state directory goes: the next line is on disk, and status and doctor say it."""
    daemon = start_daemon(TWO)
    assert daemon.get("gateway").status == 200
    shutil.rmtree(daemon.state_dir)
    assert daemon.get("search").status == 200
    lines = (daemon.state_dir / "audit.log").read_text().splitlines()
    shown = " ".join(cli(daemon, "status").stdout.split())
    findings = json.loads(cli(daemon, "doctor", "--json").stdout)["findings"]

    assert [json.loads(each)["credential"] for each in lines] == ["search"]
    assert "was removed while the daemon ran, so its earlier lines are lost" in shown
    assert [each["mark"] for each in findings if each["check"] == "audit"] == ["fail"], findings


def test_the_policy_is_checked(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    """With the files that were read, or every error in them."""
    folder = tmp_path / "policies"
    folder.mkdir()
    rule = folder / "team.cedar"
    rule.write_text('@id("team") permit (principal, action, resource);\n')
    daemon = start_daemon(TWO + f'[policy]\ndirectory = "{folder}"\n')
    good = cli(daemon, "policy", "check")
    rule.write_text("permit (\n")
    bad = cli(daemon, "policy", "check")

    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("the policy is good: team.cedar, and what credward ships")
    assert (bad.returncode, bad.stdout) == (78, "")
    assert bad.stderr.startswith(f"{rule}:1: ")
