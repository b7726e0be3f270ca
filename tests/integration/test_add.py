"""`credward add` with a real daemon: what works stays, what cannot work leaves nothing behind."""

from __future__ import annotations

import json
import signal
import ssl
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from canaries import MARK, canary
from credward.cli.add.adding import Options, carry_out, plan
from credward.cli.add.block import Wanted
from credward.cli.add.take_over import Store
from credward.tokens import Secret
from fakes.login_io import free_port
from fakes.oauth_server import OAuthServer
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from integration.minting import MintProgram
from integration.on_terminal import OnTerminal
from unit.cli.test_signals import interrupted, usual
from waiting import until


@pytest.fixture
def daemon(start_daemon: DaemonFactory, tmp_path: Path) -> RunningDaemon:
    """A daemon with nothing but its policy."""
    return start_daemon(permit_all(tmp_path))


@pytest.fixture
def upstream() -> Iterator[OAuthServer]:
    """An authorization server."""
    with OAuthServer() as server:
        yield server


def written(daemon: RunningDaemon) -> dict[str, object]:
    """Return the credentials in the file."""
    found: dict[str, object] = tomllib.loads(daemon.config_file.read_text()).get("credentials", {})
    return found


def names(daemon: RunningDaemon) -> list[str]:
    """Return the credentials in force."""
    listed = daemon.request("GET", "/v1/credentials").json()["credentials"]
    return [each["name"] for each in listed]


def secrets(daemon: RunningDaemon) -> list[str]:
    found: list[str] = json.loads(cli(daemon, "secret", "list", "--json").stdout)["names"]
    return found


# --- without a terminal --------------------------------------------------------------------------


def test_what_cannot_work_is_taken_out_again(daemon: RunningDaemon, program: MintProgram) -> None:
    """The file byte for byte, and the daemon with it; --keep keeps it."""
    before = daemon.config_file.read_bytes()
    program.set(exit=1)
    done = cli(daemon, "add", "x", "--", str(program.path))

    assert done.returncode == 76
    assert f'"x" got no token, program "{program.path}" failed (exit code 1' in done.stderr
    assert "add it with --keep" in done.stderr
    assert daemon.config_file.read_bytes() == before
    assert names(daemon) == []
    kept = cli(daemon, "add", "x", "--keep", "--", str(program.path))
    assert kept.returncode == 76
    assert "next: credward get --fresh x" in kept.stderr
    assert names(daemon) == ["x"]
    program.set(exit=None)
    assert cli(daemon, "get", "--fresh", "x").returncode == 0


def test_the_address_of_a_request_is_refused_as_a_base_url(daemon: RunningDaemon) -> None:
    """With the one to write; nothing is written."""
    words = ("--provider", "local", "--set", "base_url=https://llm.example.com/v1/messages")
    done = cli(daemon, "add", "x", *words)

    assert done.returncode == 78
    assert 'write "https://llm.example.com", the client adds /v1/messages itself' in done.stderr
    assert names(daemon) == []


def test_what_is_out_of_reach_stays(daemon: RunningDaemon, program: MintProgram) -> None:
    """The network comes back; the settings were right."""
    program.set(exit=75)
    done = cli(daemon, "add", "x", "--", str(program.path))

    assert done.returncode == 75
    assert names(daemon) == ["x"]


def test_a_shell_with_an_authority_is_set_up_before_get(
    daemon: RunningDaemon, program: MintProgram
) -> None:
    """Else the first command that is named would be denied; the second one works after it."""
    authority = daemon.home / "corp.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    words = ("--set", "base_url=https://llm.example.com", "--", str(program.path))
    get = "credward get x --base-url https://llm.example.com"
    plain = cli(daemon, "add", "x", *words)
    done = cli(daemon, "add", "x", "--replace", *words, NODE_EXTRA_CA_CERTS=str(authority))

    assert plain.stdout.endswith(f"next:\n  {get}\n  credward setup claude-code x\n")
    assert "next, in this order (set-up allows what this shell sets" in done.stdout
    assert done.stdout.endswith(f":\n  credward setup claude-code x\n  {get}\n")


def test_a_key_that_is_stored_does_not_end(daemon: RunningDaemon) -> None:
    """It was not minted."""
    cli(daemon, "secret", "set", "k", given=canary("k"))
    done = cli(daemon, "add", "x", "--provider", "static", "--set", 'secret={ store = "k" }')

    assert "found the key, which does not end by itself\n" in done.stdout


@pytest.mark.parametrize(
    ("served", "metadata", "said"),
    [
        ("", {}, None),
        ("/tennant", {}, "publishes no metadata"),
        ("", {"issuer": "https://another.example"}, "names another issuer in its metadata"),
        (
            "",
            {"authorization_endpoint": None, "device_authorization_endpoint": None},
            "a server on which nobody can log in",
        ),
        (None, {}, "127.0.0.1 is unreachable (no connection)"),
    ],
    ids=["good", "not-found", "another", "no-login", "unreachable"],
)
def test_an_issuer_is_asked_before_its_block_stays(
    daemon: RunningDaemon, served: str | None, metadata: dict[str, Any], said: str | None
) -> None:
    """A login would end like that; --keep is for whoever is offline, and then the login is next."""
    with OAuthServer() as server:
        server.metadata = metadata
        issuer = f"http://127.0.0.1:{free_port()}" if served is None else server.issuer + served
        before = daemon.config_file.read_bytes()
        words = ("--provider", "oauth", "--set", f"issuer={issuer}", "--set", "client_id=c")
        done = cli(daemon, "add", "x", *words)
        if said is None:
            assert (done.returncode, names(daemon)) == (0, ["x"])
            assert "next: credward login x\n" in done.stdout
            return
        assert done.returncode in {75, 76, 78}
        assert said in done.stderr
        assert "add it with --keep" in done.stderr
        assert "config edit" not in done.stderr
        assert daemon.config_file.read_bytes() == before
        kept = cli(daemon, "add", "x", "--keep", *words)

    assert said in kept.stderr
    assert "next: credward login x\n" in kept.stderr
    assert names(daemon) == ["x"]


def test_an_issuer_with_a_certificate_of_somebody_else_is_not_added(daemon: RunningDaemon) -> None:
    """The line says that it is the certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with OAuthServer(tls=tls) as server:
        issuer = ("--set", f"issuer={server.issuer}")
        done = cli(daemon, "add", "x", "--provider", "oauth", *issuer, "--set", "client_id=c")

    assert done.returncode != 0
    assert "certificate" in done.stderr
    assert names(daemon) == []


def test_a_replaced_block_comes_back_if_the_new_one_cannot_work(
    daemon: RunningDaemon, program: MintProgram
) -> None:
    """And the old one still mints."""
    assert cli(daemon, "add", "x", "--", str(program.path)).returncode == 0
    before = daemon.config_file.read_bytes()
    done = cli(daemon, "add", "x", "--replace", "--", "/bin/false")

    assert done.returncode == 76
    assert daemon.config_file.read_bytes() == before
    assert cli(daemon, "get", "--fresh", "x").stdout.startswith("opaque-")


def test_a_secret_that_is_missing_is_the_next_step(daemon: RunningDaemon) -> None:
    """The command that is named works, and so does the credential after it."""
    done = cli(daemon, "add", "x", "--provider", "static", "--set", 'secret={ store = "k" }')

    assert done.returncode == 78
    assert "next: credward secret set k, then credward get x\n" in done.stderr
    assert cli(daemon, "secret", "set", "k", given=canary("k")).returncode == 0
    assert MARK in cli(daemon, "get", "x").stdout


def test_a_locked_store_names_steps_that_work(daemon: RunningDaemon) -> None:
    """The block is written, and each command of the line succeeds."""
    given = "correct horse battery staple"
    daemon.request("POST", "/v1/lock", body=json.dumps({"passphrase": given}).encode())
    done = cli(daemon, "add", "x", "--provider", "local")

    assert done.returncode == 75
    assert "next: credward unlock, then credward daemon reload\n" in done.stderr
    assert "x" in written(daemon)
    daemon.request("POST", "/v1/unlock", body=json.dumps({"passphrase": given}).encode())
    assert cli(daemon, "daemon", "reload").returncode == 0
    assert cli(daemon, "get", "x").returncode == 0


# --- on a terminal -------------------------------------------------------------------------------


def number_of(terminal: OnTerminal, words: str) -> str:
    """Return the number of the choice with these words."""
    shown = terminal.wait_for("Number")
    (line,) = [each for each in shown.splitlines() if words in each]
    return line.partition(")")[0].strip()


def choose(terminal: OnTerminal, words: str) -> None:
    number = number_of(terminal, words)
    terminal.wait_for(": ")
    terminal.type(number + "\n")


def test_a_block_that_exists_gives_the_default_answers(
    daemon: RunningDaemon, program: MintProgram
) -> None:
    """Return at every question changes nothing but what was typed, not even what is not asked."""
    words = ("--set", "base_url=https://llm.example.com", "--set", "lifetime=600")
    assert cli(daemon, "add", "mine", *words, "--", str(program.path)).returncode == 0
    before = written(daemon)
    with OnTerminal(daemon, "add", "mine") as terminal:
        terminal.answer("Number", "")
        terminal.answer("Program and its arguments", "")
        terminal.answer("Address of your gateway", "https://other.example.com")
        terminal.wait_for("Replace mine?")
        terminal.type("\n")
        terminal.wait_for("minted a token that lasts")
        assert terminal.end() == 0

    assert before["mine"]["command"] == [str(program.path)]  # type: ignore[index]
    now = {**before["mine"], "base_url": "https://other.example.com"}  # type: ignore[dict-item]
    assert written(daemon) == {"mine": now}


def test_a_program_by_the_dialogue(daemon: RunningDaemon, program: MintProgram) -> None:
    """Wrong answers are asked again; the block is shown before the yes, then it mints."""
    with OnTerminal(daemon, "add") as terminal:
        choose(terminal, "a program that prints a token")
        terminal.answer("Name of the credential", "no good")
        terminal.answer("Name of the credential", "mine")
        terminal.answer("Program and its arguments", "no-such-program-here")
        terminal.wait_for("is not a program that this shell finds")
        terminal.answer("Program and its arguments", str(program.path))
        terminal.answer("Address of your gateway", "llm.example.com")
        terminal.wait_for("is not a base URL")
        terminal.answer("Address of your gateway", "https://llm.example.com")
        shown = terminal.wait_for("Add mine?")
        before = written(daemon)
        terminal.type("\n")
        terminal.wait_for("minted a token that lasts")
        terminal.wait_for("  credward get mine --base-url https://llm.example.com")
        code = terminal.end()

    assert code == 0
    assert "+[credentials.mine]" in shown
    assert f'+command = ["{program.path}"]' in shown
    assert before == {}
    assert written(daemon)["mine"] == {
        "provider": "command",
        "command": [str(program.path)],
        "base_url": "https://llm.example.com",
    }


@pytest.mark.parametrize(
    "at", ["Number", "Name of the credential", "Program", "Address of your gateway", "Add "]
)
def test_an_interrupt_anywhere_leaves_nothing(
    daemon: RunningDaemon, program: MintProgram, at: str
) -> None:
    """Neither a file, nor a secret, nor a mint."""
    before = daemon.config_file.read_bytes()
    answers = {
        "Name of the credential": "mine",
        "Program": str(program.path),
        "Address of your gateway": "",
    }
    with OnTerminal(daemon, "add") as terminal:
        if at != "Number":
            choose(terminal, "a program that prints a token")
        for question, answer in answers.items():
            if question == at or at == "Number":
                break
            terminal.answer(question, answer)
        terminal.wait_for(at if at != "Number" else "Number")
        code = terminal.interrupt()

    assert code == 130
    assert terminal.text.endswith("credward: cancelled\n")
    assert daemon.config_file.read_bytes() == before
    assert program.mints == 0


def test_an_interrupt_of_the_mint_takes_the_block_out(
    daemon: RunningDaemon, program: MintProgram
) -> None:
    """It was in the file already."""
    before = daemon.config_file.read_bytes()
    program.set(hold=1)
    with OnTerminal(daemon, "add", "x", "--", str(program.path)) as terminal:
        until(lambda: program.mints == 1)
        during = daemon.config_file.read_bytes()
        code = terminal.interrupt()
    program.set(hold=None)

    assert code == 130
    assert during != before
    assert daemon.config_file.read_bytes() == before
    assert names(daemon) == []


@pytest.mark.parametrize("comment", ["y", "n"])
def test_a_key_in_a_shell_file_moves_into_the_store(daemon: RunningDaemon, comment: str) -> None:
    """Shown nowhere; the line is commented out without it, after its own yes, with a backup."""
    key = canary("shell")
    rc = daemon.home / ".zshrc"
    text = f"alias x=y\nexport ANTHROPIC_API_KEY='{key}'  # work\nPATH=/x\n"
    rc.write_text(text)
    with OnTerminal(daemon, "add") as terminal:
        choose(terminal, f"ANTHROPIC_API_KEY in {rc}:2")
        terminal.answer("Name of the credential", "")
        terminal.wait_for('the key goes into the sealed store, as "claude-key"')
        terminal.wait_for("Add claude?")
        unchanged = (rc.read_text(), written(daemon))
        terminal.type("y\n")
        terminal.wait_for("found the key")
        terminal.wait_for("Comment this line out")
        terminal.type(comment + "\n")
        assert terminal.end() == 0

    assert unchanged == (text, {})
    assert MARK not in terminal.text
    assert "+# export ANTHROPIC_API_KEY='…'  # work" in terminal.text
    assert written(daemon)["claude"] == {
        "provider": "anthropic",
        "api_key": {"store": "claude-key"},
    }
    got = cli(daemon, "get", "claude", "--base-url", "https://api.anthropic.com")
    assert got.stdout == key + "\n"
    backups = list(daemon.home.glob(".zshrc.credward-*.bak"))
    if comment == "y":
        assert rc.read_text() == text.replace("export", "# export").replace(key, "…")
        assert [each.read_text() for each in backups] == [text]
        assert backups[0].stat().st_mode & 0o777 == 0o600
    else:
        assert (rc.read_text(), backups) == (text, [])
    # What was found must be gone when the test looks for leaks; the file was its place.
    for each in (rc, *backups):
        each.unlink()


@pytest.mark.slow
def test_a_signal_at_any_line_leaves_no_half_of_a_key(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each line in turn: block and secret are both there, or neither is."""
    for name, value in daemon.environment.items():
        monkeypatch.setenv(name, value)
    key, before = Secret(canary("signal")), daemon.config_file.read_text()
    wanted = Wanted(name="y", provider="static", words=(("secret", '{ store = "y-key" }'),))
    options, ends = Options(yes=True), set()

    def change() -> None:
        store = Store(name="y-key", secret=key)
        carry_out(plan(wanted, options), options, store=store)

    with usual():
        for at in range(1, 10_000):
            came, _ = interrupted(at, signal.SIGTERM, change, within="/credward/cli/add/")
            is_in = "y" in written(daemon)
            assert secrets(daemon) == (["y-key"] if is_in else []), f"line {at}"
            ends.add(is_in)
            daemon.config_file.write_text(before)
            daemon.request("DELETE", "/v1/secrets/y-key")
            if not came:
                break

    assert not came
    assert ends == {True, False}


def take_out(daemon: RunningDaemon) -> tuple[Path, str, str]:
    """Have `add` take a key out of a shell file; return the file, its text before, and the key."""
    key = canary("taken")
    rc = daemon.home / ".zshrc"
    text = f"alias x=y\nexport ANTHROPIC_API_KEY='{key}'  # work\nPATH=/x\n"
    rc.write_text(text)
    rc.chmod(0o640)
    with OnTerminal(daemon, "add") as terminal:
        choose(terminal, f"ANTHROPIC_API_KEY in {rc}:2")
        terminal.answer("Name of the credential", "")
        terminal.wait_for("Add claude?")
        terminal.type("y\n")
        terminal.wait_for("Comment this line out")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert MARK not in rc.read_text()
    for each in daemon.home.glob(".zshrc.credward-*.bak"):
        # As it says, when all works.
        each.unlink()
    return rc, text, key


def test_remove_puts_a_key_back_where_it_was(daemon: RunningDaemon) -> None:
    """Byte for byte, with its mode; without a yes or a no for the key nothing is removed."""
    rc, text, _ = take_out(daemon)
    unsure = cli(daemon, "remove", "claude", "--yes")
    kept = names(daemon)
    done = cli(daemon, "remove", "claude", "--yes", "--put-back")

    assert unsure.returncode == 64
    assert unsure.stderr == (
        f'credward: "claude" has the key taken out of {rc}:2: add --put-back to write it there '
        "again, or --no-put-back to delete it\n"
    )
    assert kept == ["claude"]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"{rc}: is as it was before\nremoved: claude\n")
    assert MARK not in done.stdout
    assert (rc.read_text(), rc.stat().st_mode & 0o777) == (text, 0o640)
    assert (names(daemon), secrets(daemon)) == ([], [])
    assert not (daemon.home / ".local/state/credward/taken-out.json").exists()
    rc.unlink()


def test_a_file_that_changed_since_keeps_its_changes(daemon: RunningDaemon) -> None:
    """It is asked about on a terminal, and takes an option without one."""
    rc, text, _ = take_out(daemon)
    changed = rc.read_text().replace("PATH=/x", "PATH=/theirs")
    rc.write_text(changed)
    refused = cli(daemon, "remove", "claude", "--yes", "--put-back")
    still = (rc.read_text(), names(daemon))
    with OnTerminal(daemon, "remove", "claude") as terminal:
        terminal.wait_for(f"Put the key back into {rc}:2?")
        terminal.type("\n")
        terminal.wait_for("Remove claude?")
        terminal.type("y\n")
        terminal.wait_for("changed since then. Put the key back and keep these changes?")
        terminal.type("\n")
        terminal.wait_for("has its key again, in line 2")
        assert terminal.end() == 0

    assert refused.returncode == 64
    assert "add --although-changed" in refused.stderr
    assert still == (changed, ["claude"])
    assert MARK not in terminal.text
    assert rc.read_text() == text.replace("/x", "/theirs")
    assert names(daemon) == []
    rc.unlink()


def test_undo_all_tells_of_keys_and_puts_them_back(daemon: RunningDaemon) -> None:
    """What uninstalls would lose them; the credential goes on working until it is removed."""
    rc, text, key = take_out(daemon)
    told = cli(daemon, "setup", "--undo", "--all", "--yes")
    lost = cli(daemon, "secret", "rm", "claude-key")
    done = cli(daemon, "setup", "--undo", "--all", "--yes", "--put-back")

    note = f'the key taken out of {rc}:2 is in the store, as "claude-key"'
    assert f"{note}: credward setup --undo --all --put-back puts it back" in told.stdout
    assert lost.returncode == 64
    assert "or --no-put-back to delete it" in lost.stderr
    assert (done.returncode, done.stdout) == (0, f"{rc}: is as it was before\n")
    assert rc.read_text() == text
    got = cli(daemon, "get", "claude", "--base-url", "https://api.anthropic.com")
    assert got.stdout == key + "\n"
    # It is there again, so nobody has a reason to fetch it.
    assert daemon.request("POST", "/v1/secrets/claude-key/give-back").status == 400
    assert cli(daemon, "remove", "claude", "--yes").returncode == 0
    rc.unlink()


def test_a_new_value_for_a_key_that_was_taken_out_ends_its_way_back(daemon: RunningDaemon) -> None:
    """It never stood in that file, so neither is it put there nor is anything to decide."""
    rc, _, _ = take_out(daemon)
    muted = rc.read_text()
    done = cli(daemon, "secret", "set", "claude-key", given=canary("rotated"))
    removed = cli(daemon, "remove", "claude", "--yes")

    assert f"it replaces the key taken out of {rc}:2, which cannot go back now" in done.stdout
    assert (removed.returncode, removed.stderr) == (0, "")
    assert rc.read_text() == muted
    assert (names(daemon), secrets(daemon)) == ([], [])


def test_a_key_goes_into_no_other_file_and_to_no_more_users(daemon: RunningDaemon) -> None:
    """The text is the same: what is behind the name counts, and who can read it."""
    rc, text, _ = take_out(daemon)
    muted = rc.read_text()
    words = ("setup", "--undo", "--all", "--yes", "--put-back")
    rc.chmod(0o666)
    wider = cli(daemon, *words)
    shared = daemon.home / "y"
    shared.write_text(muted)
    rc.unlink()
    rc.symlink_to("y")
    elsewhere = cli(daemon, *words)
    still = shared.read_text()
    done = cli(daemon, *words, "--although-changed")

    assert (wider.returncode, elsewhere.returncode) == (64, 64)
    assert f'"{rc}" can be opened by more users since its key was taken out' in wider.stderr
    assert f'"{rc}" leads to {shared} since its key was taken out' in elsewhere.stderr
    assert still == muted
    assert f"{rc}: has its key again, in line 2 (leads to {shared} since)\n" in done.stdout
    assert shared.read_text() == text
    rc.unlink()
    shared.unlink()


def test_a_key_goes_only_where_the_store_says_that_it_came_from(daemon: RunningDaemon) -> None:
    """Whoever can write to our notes cannot have it written anywhere else."""
    rc, _, _ = take_out(daemon)
    muted = rc.read_text()
    notes = daemon.home / ".local/state/credward/taken-out.json"
    elsewhere = daemon.home / "shared.txt"
    notes.write_text(notes.read_text().replace(str(rc), str(elsewhere)))
    refused = cli(daemon, "remove", "claude", "--yes", "--put-back", "--although-changed")

    assert refused.returncode == 78
    assert f'the key "claude-key" was taken out of {rc}:2, but {notes} says' in refused.stderr
    assert not elsewhere.exists()
    assert (rc.read_text(), names(daemon)) == (muted, ["claude"])


def test_json_and_yes_ask_nothing_on_a_terminal(daemon: RunningDaemon) -> None:
    """Also not about a file that changed; what is printed is for a program."""
    rc, _, _ = take_out(daemon)
    rc.write_text(rc.read_text() + "theirs\n")
    with OnTerminal(daemon, "remove", "claude", "--yes", "--json", "--put-back") as terminal:
        code = terminal.end()
    changed = ("--put-back", "--although-changed")
    with OnTerminal(daemon, "remove", "claude", "--json", *changed) as unsure:
        assert unsure.end() == 64
    with OnTerminal(daemon, "remove", "claude", "--yes", "--json", *changed) as done:
        assert done.end() == 0

    assert code == 64
    assert "add --although-changed" in terminal.text
    assert "run this again with --yes" in unsure.text
    assert "?" not in terminal.text + unsure.text
    assert json.loads(done.text)["put_back"] == [f"{rc}:2"]
    rc.unlink()


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_what_others_write_after_a_good_mint_is_no_error_of_it(
    daemon: RunningDaemon, program: MintProgram, as_json: bool
) -> None:
    """An editor saves half a line while it mints."""
    program.set(hold=1)
    words = ["add", "x", *(["--json"] if as_json else []), "--", str(program.path)]
    with OnTerminal(daemon, *words) as terminal:
        until(lambda: program.mints == 1)
        daemon.config_file.write_text(daemon.config_file.read_text() + "\n[half")
        program.set(hold=None)
        code = terminal.end()

    assert code == 0, terminal.text
    assert "credward get x" in terminal.text


def test_only_what_stood_in_a_file_is_given_back(daemon: RunningDaemon) -> None:
    """A key that was typed or piped in never leaves the store by this way."""
    assert cli(daemon, "secret", "set", "k", given=canary("piped")).returncode == 0
    answer = daemon.request("POST", "/v1/secrets/k/give-back")

    assert answer.status == 400
    assert "was not taken out of a file" in answer.json()["detail"]
    assert daemon.request("POST", "/v1/secrets/none/give-back").status == 404


def test_a_typed_key_is_not_shown_and_a_refused_one_is_not_kept(daemon: RunningDaemon) -> None:
    """A subscription login is refused by the first mint: neither block nor secret stays."""
    before = daemon.config_file.read_bytes()
    with OnTerminal(daemon, "add") as terminal:
        choose(terminal, "a key that you type")
        terminal.answer("Name of the credential", "mine")
        terminal.answer("The key (not shown)", f"sk-ant-oat01-{canary('typed')}")
        terminal.answer("Address of your gateway", "not-a-url")
        terminal.wait_for("is not a base URL")
        assert '"not-a-url"' not in terminal.text
        terminal.answer("Address of your gateway", "")
        terminal.wait_for("Add mine?")
        terminal.type("y\n")
        terminal.wait_for("perhaps a subscription login")
        assert terminal.end() == 78

    assert MARK not in terminal.text
    assert daemon.config_file.read_bytes() == before
    assert secrets(daemon) == []


def test_a_helper_of_claude_code_is_taken_over(daemon: RunningDaemon, program: MintProgram) -> None:
    """Its program mints for credward, and Claude Code asks our helper instead."""
    settings = daemon.home / ".claude/settings.json"
    settings.parent.mkdir()
    helper = {
        "apiKeyHelper": f"{program.path} --for claude",
        "env": {
            "ANTHROPIC_BASE_URL": "https://llm.example.com",
            "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "120000",
        },
    }
    settings.write_text(json.dumps(helper, indent=2) + "\n")
    with OnTerminal(daemon, "add") as terminal:
        choose(terminal, "the program that Claude Code runs for a token")
        terminal.answer("Name of the credential", "")
        terminal.answer("Address of your gateway", "")
        terminal.wait_for("Add gateway?")
        terminal.type("\n")
        terminal.wait_for("Let Claude Code ask credward instead")
        terminal.type("\n")
        terminal.wait_for(f"Change {settings}?")
        terminal.type("y\n")
        terminal.end()

    assert written(daemon)["gateway"] == {
        "provider": "command",
        "command": [str(program.path), "--for", "claude"],
        "lifetime": 120,
        "base_url": "https://llm.example.com",
    }
    assert "credward-helper" in json.loads(settings.read_text())["apiKeyHelper"]


def test_a_program_of_codex_is_taken_over(daemon: RunningDaemon, program: MintProgram) -> None:
    """Its settings are the user's to change: what to write there is shown."""
    settings = daemon.home / ".codex/config.toml"
    settings.parent.mkdir()
    text = (
        '[model_providers.corp]\nbase_url = "https://llm.example.com/v1"\n'
        f'[model_providers.corp.auth]\ncommand = "{program.path}"\n'
    )
    settings.write_text(text)
    with OnTerminal(daemon, "add", "corp") as terminal:
        choose(terminal, "the program that Codex runs for a token")
        terminal.answer("Address of your gateway", "-")
        terminal.wait_for("Add corp?")
        terminal.type("\n")
        terminal.wait_for(f"in {settings}, let Codex run the helper")
        assert terminal.end() == 0

    assert settings.read_text() == text
    assert 'credward-helper", args = ["corp"]' in terminal.text
    assert "base_url" not in written(daemon)["corp"]
    got = cli(daemon, "get", "corp")
    assert got.stdout.startswith("opaque-")


def test_an_issuer_that_is_written_otherwise_loses_no_answer(
    daemon: RunningDaemon, upstream: OAuthServer
) -> None:
    """The spelling of the server is offered; no command is named that would edit no block."""
    with OnTerminal(daemon, "add", "corp") as terminal:
        choose(terminal, "an OIDC issuer (you type it)")
        terminal.answer("Issuer", f"{upstream.issuer}/")
        terminal.answer("Client id", "client")
        terminal.answer("Scope", "")
        terminal.answer("Address of your gateway", "")
        terminal.wait_for("Add corp?")
        terminal.type("\n")
        terminal.wait_for(f"The server calls its issuer {upstream.issuer}. Use that?")
        terminal.type("\n")
        terminal.wait_for("Add corp?")
        terminal.type("\n")
        terminal.wait_for("Log in now (credward login corp)?")
        terminal.type("n\n")
        assert terminal.end() == 0

    assert "credward config edit" not in terminal.text
    assert written(daemon)["corp"]["issuer"] == upstream.issuer


def test_a_login_is_offered_where_one_is_needed(
    daemon: RunningDaemon, upstream: OAuthServer
) -> None:
    """No yields the command, and the block stays."""
    with OnTerminal(daemon, "add", "corp") as terminal:
        choose(terminal, "an OIDC issuer (you type it)")
        terminal.answer("Issuer", "http://login.example.com")
        terminal.wait_for("http would expose secrets")
        terminal.answer("Issuer", upstream.issuer)
        terminal.answer("Client id", "  ")
        terminal.wait_for("it is needed")
        terminal.answer("Client id", "client")
        terminal.answer("Scope", "")
        terminal.answer("Address of your gateway", "")
        terminal.wait_for("Add corp?")
        terminal.type("\n")
        terminal.wait_for("Log in now (credward login corp)?")
        terminal.type("n\n")
        assert terminal.end() == 0

    assert "next: credward login corp" in terminal.text
    assert names(daemon) == ["corp"]


def test_a_typed_key_is_for_the_gateway_that_this_shell_names(daemon: RunningDaemon) -> None:
    """By default; a dash leaves it open to any host. The login for the gateway says that it is."""
    url = "https://llm.example.com"
    daemon.environment["ANTHROPIC_BASE_URL"] = url
    with OnTerminal(daemon, "add") as terminal:
        choose(terminal, "a key that you type")
        terminal.answer("Name of the credential", "mine")
        terminal.answer("The key (not shown)", canary("typed"))
        terminal.answer("which alone may get it (-: any)", "")
        terminal.wait_for("Add mine?")
        terminal.type("y\n")
        assert terminal.end() == 0

    assert f"a login (OIDC) for the gateway {url}" in terminal.text
    assert written(daemon)["mine"]["base_url"] == url


def test_what_to_type_next_is_the_last_thing_said(daemon: RunningDaemon) -> None:
    """After the question about the file; first of all goes the key that this shell still has."""
    rc = daemon.home / ".zshrc"
    rc.write_text(f"export ANTHROPIC_API_KEY='{canary('shell')}'\n")
    daemon.environment["ANTHROPIC_API_KEY"] = canary("shell")
    with OnTerminal(daemon, "add") as terminal:
        choose(terminal, "ANTHROPIC_API_KEY in")
        terminal.answer("Name of the credential", "")
        terminal.wait_for("Add claude?")
        terminal.type("y\n")
        terminal.wait_for("Comment this line out")
        assert "next, in this order" not in terminal.text
        terminal.type("n\n")
        assert terminal.end() == 0
    rc.unlink()

    *_, title, unset, get, setup = terminal.text.splitlines()
    assert title == "next, in this order:"
    assert unset == "  unset ANTHROPIC_API_KEY"
    assert get.startswith("  credward get claude")
    assert setup == "  credward setup claude-code claude"
