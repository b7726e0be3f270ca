"""`credward doctor` with a real daemon: each row of the table in the docs is broken here, and found as it says there."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canaries import canary
from credward.cli.helper_probe import find_helper
from fakes.entra_server import unsigned
from fakes.oauth_server import OAuthServer
from integration.accounts import Account, clean_account
from integration.command_line import cli, command
from integration.daemon import BROKER, DaemonFactory, RunningDaemon, permit_all
from integration.minting import MintProgram

PAGE = BROKER.parent / "docs/reference/doctor.md"
GATEWAY = "https://llm.example.com"
PASSPHRASE = "correct horse battery staple"
OLDER = BROKER.parent / "tests/fakes/older_serve.py"
KEY = "sk-left-behind"
VARIABLE = "CLAUDE_CODE_API_KEY_HELPER_TTL_MS"


class Bench:
    """A daemon, a Claude Code that is set up for its credential `gateway`, and a folder to work in."""

    def __init__(self, start: DaemonFactory, program: MintProgram, server: OAuthServer) -> None:
        self.program = program
        self.server = server
        self.start_daemon = start
        self.environ: dict[str, str] = {}
        self.daemon: RunningDaemon = start.prepare("")
        self.folder = self.daemon.home / "work"
        (self.folder / ".git").mkdir(parents=True)
        self.settings = self.daemon.home / ".claude/settings.json"
        self.config = permit_all(self.daemon.home) + "".join(
            program.block(name, base_url=f'"{url}"')
            for name, url in (("gateway", GATEWAY), ("other", "https://other.example"))
        )
        self.configure(self.config)

    def configure(self, text: str) -> None:
        self.daemon.write_config(text)

    def start(self) -> None:
        """Start the daemon and set Claude Code up."""
        self.daemon.start()
        done = self.run("setup", "claude-code", "gateway", "--yes")
        assert "credward-helper" in self.settings.read_text(), done

    def restart(self) -> None:
        """Start it anew, as it is configured now."""
        self.daemon.stop()
        self.daemon.start()

    def run(self, *words: str) -> Any:
        return cli(self.daemon, *words, folder=self.folder, **self.environ)

    def fresh(self) -> None:
        """Have a token minted."""
        done = self.run("get", "gateway", "--fresh", "--base-url", GATEWAY)
        assert done.returncode == 0, done.stderr

    def change(self, **members: object) -> None:
        """Change members of the user's settings of Claude Code; None removes one."""
        found = {**json.loads(self.settings.read_text()), **members}
        self.settings.write_text(
            json.dumps(
                {name: value for name, value in found.items() if value is not None}, indent=2
            )
        )

    def variables(self, **said: str | None) -> None:
        """Change variables in those settings; None removes one."""
        found = {**json.loads(self.settings.read_text())["env"], **said}
        self.change(env={name: value for name, value in found.items() if value is not None})

    def project(self, **members: object) -> Path:
        """Give the folder a settings file of its own."""
        path = self.folder / ".claude/settings.json"
        path.parent.mkdir()
        path.write_text(json.dumps(members))
        return path


@pytest.fixture
def bench(start_daemon: DaemonFactory, program: MintProgram, server: OAuthServer) -> Bench:
    """Give one where nothing is broken yet; the daemon runs."""
    made = Bench(start_daemon, program, server)
    made.start()
    return made


Break = Callable[[Bench], None]
BREAKS: dict[str, Break] = {}


def breaks(row: str) -> Callable[[Break], Break]:
    """Say which row of the table a function makes true."""

    def note(how: Break) -> Break:
        BREAKS[row] = how
        return how

    return note


@breaks("the base URL is missing")
def _(bench: Bench) -> None:
    bench.variables(ANTHROPIC_BASE_URL=None)


@breaks("the base URL is wrong")
def _(bench: Bench) -> None:
    bench.variables(ANTHROPIC_BASE_URL="https://api.example.net/v1")


@breaks("the base URL has another path")
def _(bench: Bench) -> None:
    bench.variables(ANTHROPIC_BASE_URL=f"{GATEWAY}/v1")


@breaks("the folder sets the base URL")
def _(bench: Bench) -> None:
    bench.project(env={"ANTHROPIC_BASE_URL": "https://evil.example"})


@breaks("the settings ask for another credential")
def _(bench: Bench) -> None:
    bench.run("setup", "claude-code", "other", "--yes")


@breaks("the settings ask for an unknown credential")
def _(bench: Bench) -> None:
    bench.change(apiKeyHelper=f"exec {find_helper()} gatewy")


@breaks("a settings file is not JSON")
def _(bench: Bench) -> None:
    (bench.folder / ".claude").mkdir()
    (bench.folder / ".claude/settings.local.json").write_text('{"model": }\n')


@breaks("the helper is gone")
def _(bench: Bench) -> None:
    bench.change(apiKeyHelper="exec /opt/old/bin/credward-helper gateway")


@breaks("the helper was taken out")
def _(bench: Bench) -> None:
    bench.change(apiKeyHelper=None)


@breaks("a key in the shell")
def _(bench: Bench) -> None:
    bench.environ["ANTHROPIC_API_KEY"] = KEY


@breaks("a key in the settings")
def _(bench: Bench) -> None:
    bench.variables(ANTHROPIC_AUTH_TOKEN=KEY)


@breaks("the login has ended")
def _(bench: Bench) -> None:
    block = f'issuer = "{bench.server.issuer}"\nclient_id = "client-1"\nscope = "openid offline_access"\n'
    bench.configure(
        permit_all(bench.daemon.home)
        + f'[credentials.gateway]\nprovider = "oauth"\nbase_url = "{GATEWAY}"\n{block}'
    )
    bench.restart()
    assert bench.daemon.hand_over("gateway", bench.server.grant()).status == 200
    bench.server.families[0].revoked = True
    assert bench.run("get", "gateway", "--fresh").returncode == 67


@breaks("the daemon does not run, and a variable forbids to start it")
def _(bench: Bench) -> None:
    bench.daemon.stop()


@breaks("the daemon is of another version")
def _(bench: Bench) -> None:
    bench.daemon.stop()
    bench.daemon.program = (str(OLDER), "0.0.9")
    bench.daemon.start()


@breaks("the daemon was started with another configuration")
def _(bench: Bench) -> None:
    elsewhere = bench.daemon.home / "elsewhere/credward/config.toml"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text(bench.config)
    bench.environ["XDG_CONFIG_HOME"] = str(elsewhere.parent.parent)


@breaks("the configuration was edited, and the daemon has not read it")
def _(bench: Bench) -> None:
    bench.configure(bench.config + '[credentials.demo]\nprovider = "local"\n')


@breaks("the clock is behind")
def _(bench: Bench) -> None:
    now = int(time.time())
    token = unsigned({"iat": now + 700, "nbf": now + 700, "exp": now + 4300})
    bench.program.set(raw=json.dumps({"version": 1, "token": token, "expires_at": now + 4300}))
    bench.fresh()


@breaks("the store is locked")
def _(bench: Bench) -> None:
    bench.configure(
        bench.config + '[credentials.key]\nprovider = "static"\nsecret = { store = "k" }\n'
    )
    bench.restart()
    kept = cli(bench.daemon, "secret", "set", "k", given=canary("kept"))
    assert kept.returncode == 0, kept.stderr
    body = json.dumps({"passphrase": PASSPHRASE}).encode()
    assert bench.daemon.request("POST", "/v1/lock", body=body).status == 200


@breaks("the audit log was removed")
def _(bench: Bench) -> None:
    (bench.daemon.state_dir / "audit.log").unlink()


@breaks("the store cannot be read")
def _(bench: Bench) -> None:
    bench.daemon.stop()
    store = bench.daemon.state_dir / "store.sealed"
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    store.write_text("{}")
    store.chmod(0o644)
    bench.daemon.start()


@breaks("tokens are kept longer than they live")
def _(bench: Bench) -> None:
    bench.program.set(lifetime=120)
    # It remembers how long earlier ones lasted.
    bench.restart()


@breaks("a key was left in a file of the shell")
def _(bench: Bench) -> None:
    (bench.daemon.home / ".bashrc").write_text(f"# mine\nexport ANTHROPIC_API_KEY={KEY}\n")


@breaks("the shell has a certificate authority or a proxy")
def _(bench: Bench) -> None:
    file = bench.daemon.home / "company.pem"
    file.write_text("certificates")
    bench.environ["NODE_EXTRA_CA_CERTS"] = str(file)


@breaks("the cache time is not a number")
def _(bench: Bench) -> None:
    bench.variables(**{VARIABLE: "4m"})


@breaks("the helper is of another installation")
def _(bench: Bench) -> None:
    other = bench.daemon.home / "opt/credward-helper"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho another\n")
    other.chmod(0o755)
    bench.change(apiKeyHelper=f"exec {other} gateway")


@breaks("a cloud is switched on")
def _(bench: Bench) -> None:
    bench.environ["CLAUDE_CODE_USE_BEDROCK"] = "1"


@breaks("the folder brings its own helper")
def _(bench: Bench) -> None:
    bench.project(apiKeyHelper="./print-key")


@breaks("a settings file cannot be read")
def _(bench: Bench) -> None:
    (bench.folder / ".claude/settings.local.json").mkdir(parents=True)


@breaks("others can write to the socket's directory")
def _(bench: Bench) -> None:
    bench.daemon.socket.parent.chmod(0o777)


@breaks("the settings lead to another daemon")
def _(bench: Bench) -> None:
    other = f'[credentials.gateway]\nprovider = "local"\nbase_url = "{GATEWAY}"\n'
    bench.variables(CREDWARD_SOCKET=str(bench.start_daemon(other).socket))


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the table: what is broken, what doctor says, what to type."""
    for line in PAGE.read_text().splitlines():
        cells = [each.strip() for each in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[1].startswith("`"):
            yield cells[0], cells[1].strip("`"), cells[2].strip("`")


def test_every_row_of_the_table_is_tried() -> None:
    """And everything that is tried has its row."""
    assert [row for row, _, _ in rows()] == list(BREAKS)


@pytest.mark.parametrize(("row", "says", "helps"), list(rows()), ids=lambda cell: cell[:60])
def test_finds_what_is_broken(bench: Bench, row: str, says: str, helps: str) -> None:
    """One line has the cause in the words of the table, and what mends it; the exit code is not 0."""
    well = bench.run("doctor", "gateway")
    assert well.returncode == 0, well.stdout
    BREAKS[row](bench)
    found = bench.run("doctor", "gateway")
    words = ".*".join(re.escape(each.strip()) for each in says.split("…"))
    lines = [each for each in found.stdout.splitlines() if re.search(words, each)]

    assert found.returncode != 0, found.stdout
    assert lines, found.stdout
    assert lines[0].startswith("fail ")
    assert helps in lines[0]
    assert KEY not in found.stdout + found.stderr


def failures(found: Any) -> list[str]:
    """Return the checks that failed, in their order."""
    return [
        line.removeprefix("fail ").partition(":")[0]
        for line in found.stdout.splitlines()
        if line.startswith("fail ")
    ]


def test_one_run_shows_everything_that_is_wrong(bench: Bench) -> None:
    """What is behind a broken link is looked at, and the exit code is that of the first."""
    for row in (
        "the daemon does not run, and a variable forbids to start it",
        "the base URL is missing",
        "a settings file is not JSON",
        "a key in the shell",
        "a key was left in a file of the shell",
    ):
        BREAKS[row](bench)
    found = bench.run("doctor", "gateway")

    assert found.returncode == 69
    of_claude = ["Claude Code"] * 3
    assert failures(found) == ["daemon", *of_claude, "folder", "shell files"]


def test_a_line_that_cannot_run_hides_nothing_beside_it(bench: Bench) -> None:
    """The address is looked at too, and the helper itself is seen to work."""
    for row in ("the helper is gone", "the base URL is wrong", "the cache time is not a number"):
        BREAKS[row](bench)
    found = bench.run("doctor", "gateway")

    assert failures(found) == ["Claude Code"] * 3
    assert "ok   helper run: a token of" in found.stdout


def test_what_works_is_said_too(bench: Bench) -> None:
    """Each link that was seen, and nothing twice."""
    found = json.loads(bench.run("doctor", "gateway", "--json").stdout)

    assert found["well"]
    assert found["credential"] == "gateway"
    assert {each["mark"] for each in found["findings"]} == {"ok"}
    checks = [each["check"] for each in found["findings"]]
    assert checks == [
        *("configuration", "credential", "daemon", "attestation", "hardening"),
        *("configuration in force", "store", "token", "helper", "Claude Code", "helper run"),
    ]


@pytest.mark.parametrize("broken", ["no helper", "no JSON"])
def test_a_helper_that_is_not_found_is_the_only_fault(bench: Bench, broken: str) -> None:
    """The helper itself is seen to work; a set-up brings the line back, but not a whole file."""
    if broken == "no JSON":
        bench.settings.write_text(bench.settings.read_text().replace("{", "{,", 1))
    else:
        BREAKS["the helper was taken out"](bench)
    found = bench.run("doctor", "gateway")
    fixed = bench.run("doctor", "gateway", "--fix", "--yes")

    assert failures(found) == ["Claude Code"], found.stdout
    assert "ok   helper run: a token of" in found.stdout
    assert (fixed.returncode == 0) == (broken == "no helper"), fixed.stdout


def test_a_base_url_with_the_version_works_for_claude_code(
    start_daemon: DaemonFactory, program: MintProgram, server: OAuthServer
) -> None:
    """Other clients want it so; what is set up is the one that Claude Code wants."""
    bench = Bench(start_daemon, program, server)
    bench.configure(bench.config.replace(GATEWAY, f"{GATEWAY}/v1"))
    bench.start()
    settings = json.loads(bench.settings.read_text())
    found = bench.run("doctor", "gateway")

    assert settings["env"]["ANTHROPIC_BASE_URL"] == GATEWAY
    assert found.returncode == 0, found.stdout


def test_a_variable_that_claude_code_does_not_follow_is_named(bench: Bench) -> None:
    """The credential of the settings is checked; only a line without a name follows the variable."""
    bench.environ["CREDWARD_CREDENTIAL"] = "other"
    found = bench.run("doctor")
    bench.change(apiKeyHelper=f"exec {find_helper()}")
    followed = bench.run("doctor")

    assert found.returncode == 0, found.stdout
    assert (
        "warn credential: CREDWARD_CREDENTIAL is set in this shell, but the settings of Claude "
        'Code ask for "gateway", so it does not count there: unset CREDWARD_CREDENTIAL\n'
    ) in found.stdout
    assert 'ok   credential: "gateway" by command' in found.stdout
    assert 'ok   credential: "other" by command (CREDWARD_CREDENTIAL)' in followed.stdout


def test_a_switch_to_a_cloud_is_named_by_what_is_refused(bench: Bench) -> None:
    """The helper's own line has the cure."""
    bench.environ["CLAUDE_CODE_USE_BEDROCK"] = "1"
    refused = bench.run("get", "gateway")

    assert refused.returncode == 77
    assert "it is not known where requests go: unset CLAUDE_CODE_USE_BEDROCK" in refused.stderr


@pytest.mark.parametrize("words", [(), ("gateway",)], ids=len)
@pytest.mark.parametrize(
    ("variable", "check"),
    [("XDG_CONFIG_HOME", "configuration in force"), ("CREDWARD_SOCKET", "daemon")],
)
def test_what_follows_from_another_fault_is_not_said(
    bench: Bench, variable: str, check: str, words: tuple[str, ...]
) -> None:
    """A variable that leads elsewhere is the only one, and it is named."""
    nowhere = bench.daemon.home / "nowhere"
    nowhere.mkdir()
    bench.environ[variable] = f"{nowhere}/socket" if variable == "CREDWARD_SOCKET" else str(nowhere)
    found = bench.run("doctor", *words)

    assert failures(found) == [check], found.stdout
    (line,) = [each for each in found.stdout.splitlines() if each.startswith("fail ")]
    assert variable in line


def test_a_name_in_the_settings_that_nothing_has_is_said_once(bench: Bench) -> None:
    """Without a name too, with the command that corrects it."""
    BREAKS["the settings ask for an unknown credential"](bench)
    found = bench.run("doctor")

    assert found.returncode == 78
    assert failures(found) == ["credential"], found.stdout
    wanted = 'asks for "gatewy", which is not configured, perhaps "gateway": run credward setup '
    assert f"{wanted}claude-code gateway\n" in found.stdout


def test_before_set_up_it_is_not_well_where_get_is_refused(
    start_daemon: DaemonFactory, program: MintProgram, server: OAuthServer
) -> None:
    """And well where it is not; both hear of the set-up."""
    bench = Bench(start_daemon, program, server)
    bench.daemon.start()
    refused = bench.run("get", "gateway")
    found = bench.run("doctor", "gateway")
    bench.environ["ANTHROPIC_BASE_URL"] = GATEWAY
    served = bench.run("get", "gateway")
    well = bench.run("doctor", "gateway")

    assert refused.returncode == found.returncode == 77, found.stdout
    assert "fail Claude Code: has no helper, and this shell does not name" in found.stdout
    assert served.returncode == well.returncode == 0, well.stdout
    assert "warn Claude Code: has no helper: run credward setup claude-code" in well.stdout
    assert "ok   helper run: a token of" in well.stdout


def test_a_settings_file_that_set_up_wrote_is_one_that_doctor_reads(
    start_daemon: DaemonFactory, program: MintProgram, server: OAuthServer
) -> None:
    """Set-up of a file for `claude --settings` ends well, as does doctor with that file alone."""
    bench = Bench(start_daemon, program, server)
    bench.daemon.start()
    path = bench.daemon.home / "mine.json"
    written = bench.run("setup", "claude-code", "gateway", "--yes", "--settings", str(path))
    well = bench.run("doctor", "gateway", "--settings", str(path))
    without = bench.run("doctor", "gateway")
    path.write_text(path.read_text().replace(GATEWAY, "https://api.example.net"))
    broken = bench.run("doctor", "gateway", "--settings", str(path))

    assert written.returncode == well.returncode == 0, written.stdout
    assert f"ok   Claude Code: {path} names this helper" in written.stdout
    assert without.returncode == 77
    assert broken.returncode == 77
    assert f"run credward setup claude-code gateway --settings {path}\n" in broken.stdout


def test_a_set_up_of_one_folder_works_from_the_second_run_on(
    start_daemon: DaemonFactory, program: MintProgram, server: OAuthServer
) -> None:
    """Set-up and doctor agree, and say what it costs there; in another folder nothing is set up."""
    bench = Bench(start_daemon, program, server)
    bench.daemon.start()
    written = bench.run("setup", "claude-code", "gateway", "--yes", "--level", "local")
    found = bench.run("doctor", "gateway")
    elsewhere = cli(bench.daemon, "doctor", "gateway")

    assert written.returncode == found.returncode == 0, written.stdout
    for each in (written, found):
        assert "warn Claude Code: settings of the folder name the base URL" in each.stdout
        assert "ok   helper run: a token of" in each.stdout
    assert elsewhere.returncode == 77


def test_what_doctor_foresees_is_not_shown_as_a_denial(bench: Bench) -> None:
    """It does not run a helper that would be refused, so status shows nobody's question."""
    bench.variables(ANTHROPIC_BASE_URL="https://evil.example")
    found = bench.run("doctor", "gateway")
    shown = bench.run("status")

    assert found.returncode == 77
    assert "to https://evil.example, but" in found.stdout
    assert "denied" not in shown.stdout


def test_a_folder_of_settings_that_hides_the_set_up_is_named(bench: Bench) -> None:
    """The usual file is set up, but Claude Code does not read it."""
    other = bench.daemon.home / "cc"
    bench.environ["CLAUDE_CONFIG_DIR"] = str(other)
    found = bench.run("doctor", "gateway")

    assert (
        f"CLAUDE_CONFIG_DIR is set, so Claude Code reads {other}/settings.json, which has no "
        "helper: unset CLAUDE_CONFIG_DIR, or run credward setup claude-code gateway\n"
    ) in found.stdout
    assert bench.run("doctor", "gateway", "--fix", "--yes").returncode == 0


def test_a_folder_cannot_have_its_programs_run(bench: Bench) -> None:
    """Its variables reach neither the shell nor the helper that doctor runs."""
    trap = bench.daemon.home / "trap"
    programs = bench.folder / "bin"
    programs.mkdir()
    script = programs / "credward-helper"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    bench.change(apiKeyHelper="credward-helper gateway")
    bench.environ["PATH"] = f"{find_helper().parent}:/usr/bin:/bin"
    well = bench.run("doctor", "gateway")
    bench.project(env={"PATH": f"{programs}:/usr/bin:/bin"})
    found = bench.run("doctor", "gateway")

    assert well.returncode == 0, well.stdout
    assert "names it without its directory, so it may not be found: run" in well.stdout
    assert found.returncode == 77
    assert "ok   helper run: a token of" in found.stdout
    assert "sets PATH, which may lead to another daemon or program: remove it there" in found.stdout
    assert not trap.exists()


def test_fix_runs_what_loses_nothing(bench: Bench) -> None:
    """An edit is put in force, and our own line set up anew; then it is checked again."""
    bench.configure(bench.config.replace(GATEWAY, "https://new.example.com"))
    bench.change(apiKeyHelper="exec /opt/old/bin/credward-helper gateway", theme="dark")
    found = bench.run("doctor", "gateway", "--fix", "--yes")
    again = bench.run("doctor", "gateway")

    assert found.returncode == again.returncode == 0, found.stdout + again.stdout
    assert "fix: credward daemon reload\n" in found.stdout
    assert "fix: credward setup claude-code gateway\n" in found.stdout
    assert '\n-  "apiKeyHelper": "exec /opt/old/bin/credward-helper gateway"' in found.stdout
    settings = json.loads(bench.settings.read_text())
    assert settings["theme"] == "dark"
    assert settings["env"]["ANTHROPIC_BASE_URL"] == "https://new.example.com"


def test_fix_for_programs_says_what_it_did(bench: Bench) -> None:
    """Without a yes no settings are changed, and the findings are those afterwards."""
    BREAKS["the base URL is missing"](bench)
    before = bench.settings.read_text()
    refused = bench.run("doctor", "gateway", "--fix", "--json")
    kept = bench.settings.read_text()
    done = bench.run("doctor", "gateway", "--fix", "--yes", "--json")

    assert kept == before
    (said,) = json.loads(refused.stdout)["fixed"]
    assert (said["command"], said["done"]) == ("credward setup claude-code gateway", False)
    assert "--yes" in said["problem"]
    assert refused.returncode == 77
    found = json.loads(done.stdout)
    assert [each["done"] for each in found["fixed"]] == [True]
    assert (done.returncode, found["well"]) == (0, True)


@pytest.mark.parametrize(
    "row",
    [
        "a key in the shell",
        "a key was left in a file of the shell",
        "the folder brings its own helper",
        "the settings ask for another credential",
        "the store is locked",
    ],
)
def test_fix_leaves_alone_what_is_not_its_own(bench: Bench, row: str) -> None:
    """It says so, and changes nothing."""
    BREAKS[row](bench)
    before = bench.settings.read_text()
    found = bench.run("doctor", "gateway", "--fix", "--yes")

    assert found.returncode != 0
    assert "fix:" not in found.stdout
    assert found.stdout.endswith("nothing here can be fixed without you: type what the lines say\n")
    assert bench.settings.read_text() == before


def test_it_takes_about_as_long_as_other_commands(bench: Bench) -> None:
    """Measured against `status`, which asks the daemon once: no wait is hidden in any check."""

    def seconds(*words: str) -> float:
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(
                command(*words),
                env=bench.daemon.environment,
                cwd=bench.folder,
                capture_output=True,
                check=True,
            )
            taken.append(time.perf_counter() - began)
        return min(taken)

    assert seconds("doctor", "gateway") < 8 * seconds("status")


@pytest.fixture
def account() -> Iterator[Account]:
    """An account with one credential, and no daemon."""
    with clean_account('[credentials.gateway]\nprovider = "local"\n') as made:
        yield made


def test_starts_the_daemon_of_the_account_where_a_helper_would(account: Account) -> None:
    """And with `--fix` also where only its owner may."""
    first = account.cli("doctor")
    account.stop_daemon()
    alone = {"CREDWARD_CONFIG": str(account.config_file)}
    refused = account.cli("doctor", CREDWARD_NO_START="1", **alone)
    fixed = account.cli("doctor", "--fix", CREDWARD_NO_START="1", **alone)

    assert first.returncode == 0, first.stdout
    assert refused.returncode == 69
    assert (
        "fail daemon: the daemon is not running, and CREDWARD_NO_START forbids to start it: "
        "unset CREDWARD_NO_START\n"
    ) in refused.stdout
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert "fix: credward daemon start\nstarted: pid " in fixed.stdout
    assert account.cli("daemon", "stop", **alone).returncode == 0


@pytest.mark.parametrize("words", [(), ("gateway",)], ids=len)
def test_before_anything_is_configured_one_command_is_named(words: tuple[str, ...]) -> None:
    """That nothing has a name yet follows from it."""
    with clean_account("") as empty:
        found = empty.cli("doctor", *words)

    assert failures(found) == ["daemon"], found.stdout
    assert "fail daemon: nothing is configured yet: run credward add\n" in found.stdout
