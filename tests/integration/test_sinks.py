"""Files that are kept fresh (`[[sinks]]`): a real daemon writes them, real clients read them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest

from fakes.anthropic_oauth import ISSUER, ORGANIZATION, RULE, AnthropicServer, serving
from fakes.oauth_server import OAuthServer
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from integration.endpoints import keys
from integration.faults import SmallDisk, missing
from integration.minting import MintProgram
from integration.sinks import audited, block, own_folder, sink, text
from waiting import until


def noted(daemon: RunningDaemon) -> bool:
    """Return whether the next daemon will know of the token in the only file."""
    entries = json.loads(text(daemon.state_dir / "sinks.json") or "[]")
    return [each["token_id"] for each in entries] not in ([], [""])


# --- fresh ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("token", "opaque-1"),
        ("env", "ANTHROPIC_AUTH_TOKEN=opaque-1\n"),
    ],
)
def test_nobody_asks_and_the_file_is_there(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, form: str, expected: str
) -> None:
    """Decided and recorded as the daemon's own request; the token has no line end."""
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path, form))
    until(lambda: text(path))

    assert text(path) == expected
    assert path.stat().st_mode & 0o7777 == 0o600
    assert audited(daemon) == [("issued", form)]
    until(lambda: sink(daemon, path)["state"] == "fresh")
    assert sink(daemon, path)["token_id"] == daemon.status("given")["token_id"]
    assert program.mints == 1


def test_the_record_has_its_times(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    path = place / "file"
    start_daemon(program.block("given") + block("given", path, "json"))
    record = json.loads(until(lambda: text(path)))

    assert (record["token"], record["credential"]) == ("opaque-1", "given")
    assert record["expires_at"] > time.time()


def test_it_is_rewritten_for_each_fresher_token_and_for_nothing_else(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """By the lifecycle's pace, before the old one ends; a reader always finds a whole, good one."""
    program.set(lifetime=8)
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path))
    seen = set()

    def rotated() -> bool:
        seen.add(text(path))
        return {"opaque-1", "opaque-2", "opaque-3"} <= seen

    until(lambda: text(path))
    until(rotated)
    assert seen <= {f"opaque-{number}" for number in range(1, program.mints + 1)}
    # Callers are served the same token, and ask for nothing new.
    assert daemon.get("given").text == f"opaque-{program.mints}"
    until(lambda: len(audited(daemon)) == program.mints)


def test_a_shell_reads_it(start_daemon: DaemonFactory, program: MintProgram, place: Path) -> None:
    path = place / "file.env"
    start_daemon(program.block("given", env_name='"MY_TOKEN"') + block("given", path, "env"))
    until(lambda: text(path))
    said = subprocess.run(
        ["sh", "-c", f'. {path}; printf %s "$MY_TOKEN"'], capture_output=True, text=True, check=True
    )
    assert said.stdout == "opaque-1"


def test_boto3_reads_a_profile_across_a_rotation(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """Other profiles, comments and line ends stay byte for byte, also when it goes."""
    path = place / "credentials"
    before = b"# mine\n[default]\naws_access_key_id=AKIAMINE\naws_secret_access_key = x\n; end\n"
    path.write_bytes(before)
    path.chmod(0o600)
    config = keys(program)
    daemon = start_daemon(config + block("given", path, "aws-credentials", profile="agent"))

    def key() -> str:
        script = (
            "import botocore.session as s; k = s.Session(profile='agent').get_credentials();"
            "print(k.access_key, k.secret_key, k.token)"
        )
        environ = {**os.environ, "AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_CONFIG_FILE": "/x"}
        return subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env=environ,
        ).stdout.strip()

    until(lambda: b"AKIA1" in path.read_bytes())
    assert key() == "AKIA1 opaque-1 session-1"
    assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200
    until(lambda: b"AKIA2" in path.read_bytes())
    assert key() == "AKIA2 opaque-2 session-2"
    assert path.read_bytes().startswith(before)
    daemon.write_config(config)
    daemon.send(signal.SIGHUP)
    until(lambda: path.read_bytes() == before)


@pytest.fixture
def anthropic_server() -> Iterator[AnthropicServer]:
    """Return the stand-in for Anthropic's API."""
    with serving() as running:
        yield running


@pytest.fixture
def federate(
    anthropic_server: AnthropicServer, start_daemon: DaemonFactory
) -> Callable[..., RunningDaemon]:
    """Return what starts a daemon with the federation `claude` of the JWT `workload`."""

    def start(sinks: str) -> RunningDaemon:
        daemon = start_daemon(
            f'[credentials.workload]\nprovider = "local"\nissuer = "{ISSUER}"\nlifetime = 600\n'
            f'[credentials.claude]\nprovider = "anthropic"\nfederation_rule_id = "{RULE}"\n'
            f'organization_id = "{ORGANIZATION}"\nservice_account_id = "svac_1"\n'
            f'identity = "workload"\ntoken_url = "{anthropic_server.token_url}"\n'
        )
        found = daemon.request("GET", "/v1/credentials/workload/jwks").json()["keys"]
        anthropic_server.public_key = jwt.PyJWK(found[0]).key
        daemon.write_config(daemon.config_file.read_text() + sinks)
        daemon.send(signal.SIGHUP)
        return daemon

    return start


def test_the_sdk_of_anthropic_reads_a_profile_across_a_rotation(
    federate: Callable[..., RunningDaemon],
    anthropic_server: AnthropicServer,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several SDKs share one access token: no JWT is presented twice, nobody exchanges one."""
    import anthropic

    for name in [each for each in os.environ if each.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    folder = place / "anthropic"
    daemon = federate(block("claude", folder, "anthropic-profile", profile="agent"))
    secret = folder / "credentials/agent.json"
    first = json.loads(until(lambda: text(secret)))
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(folder))
    monkeypatch.setenv("ANTHROPIC_PROFILE", "agent")

    def ask() -> str:
        with anthropic.Anthropic() as client:
            answer = client.messages.create(
                model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}]
            )
        return answer.content[0].text

    assert ask()
    assert ask()
    assert first["expires_at"] > time.time() + 300
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (folder / "configs/agent.json").stat().st_mode & 0o777 == 0o644
    assert (folder / "credentials").stat().st_mode & 0o777 == 0o700
    assert daemon.request("POST", "/v1/credentials/claude/refresh").status == 200
    until(lambda: json.loads(text(secret))["access_token"] != first["access_token"])
    assert ask()
    assert len({each["assertion"] for each in anthropic_server.exchanges}) == 2
    assert len(anthropic_server.exchanges) == 2


def test_a_jwt_that_is_presented_once_is_renewed_at_half_its_life(
    start_daemon: DaemonFactory, place: Path
) -> None:
    """`single_use`: a client that comes again after a token's life finds another `jti`."""
    path = place / "jwt"
    daemon = start_daemon(
        '[credentials.workload]\nprovider = "local"\nlifetime = 600\n'
        + block("workload", path, single_use=True)
    )
    claims = jwt.decode(until(lambda: text(path)), options={"verify_signature": False})
    state = until(lambda: daemon.status("workload"))

    assert claims["exp"] - claims["iat"] == 600
    # A tenth of its life is jitter, only earlier.
    left = state["expires_at"] - state["refresh_at"]
    assert 300 <= left <= 361


# --- what takes it away -----------------------------------------------------------------------


def test_a_lock_takes_it_away_and_unlocking_brings_it_back(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    path = place / "file"
    daemon = start_daemon(permit_all(tmp_path) + program.block("given") + block("given", path))
    until(lambda: text(path))
    locked = cli(daemon, "lock", "--passphrase-stdin", given="correct horse battery\n")
    assert locked.returncode == 0, locked.stderr
    assert not path.exists()
    assert sink(daemon, path)["state"] == "locked"
    daemon.stop()
    daemon.start()
    until(lambda: sink(daemon, path)["state"] == "locked")
    assert not path.exists()
    opened = cli(daemon, "unlock", "--passphrase-stdin", given="correct horse battery\n")
    assert opened.returncode == 0, opened.stderr
    until(lambda: text(path))


def test_a_logout_takes_it_away_and_a_login_brings_it_back(
    start_daemon: DaemonFactory, server: OAuthServer, place: Path, tmp_path: Path
) -> None:
    path = place / "file"
    daemon = start_daemon(
        permit_all(tmp_path)
        + f'[credentials.given]\nprovider = "oauth"\nissuer = "{server.issuer}"\n'
        'client_id = "client-1"\nscope = "openid offline_access"\n' + block("given", path)
    )
    until(lambda: sink(daemon, path)["state"] == "empty")
    assert daemon.hand_over("given", server.grant()).status == 200
    first = until(lambda: text(path))
    assert daemon.request("POST", "/v1/grants/given/logout").status == 200
    assert not path.exists()
    said = cli(daemon, "status").stdout
    assert "credward login given" in said
    assert daemon.hand_over("given", server.grant()).status == 200
    assert until(lambda: text(path)) != first
    assert daemon.request("POST", "/v1/revoke-all").status == 200
    assert not path.exists()


def test_remove_takes_it_away_with_its_credential(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    path, other = place / "file", place / "other"
    daemon = start_daemon(
        permit_all(tmp_path)
        + program.block("given")
        + program.block("second")
        + block("given", path)
        + block("second", other)
    )
    until(lambda: text(path) and text(other))
    done = cli(daemon, "remove", "given", "--yes", CREDWARD_CONFIG=str(daemon.config_file))
    assert done.returncode == 0, done.stderr
    until(lambda: not path.exists())
    assert text(other)
    assert str(path) not in daemon.config_file.read_text()


def test_what_is_no_longer_configured_goes_even_if_the_daemon_was_down(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path))
    until(lambda: text(path))
    daemon.kill9()
    daemon.write_config(program.block("given"))
    daemon.start()
    until(lambda: not path.exists())
    assert list(place.iterdir()) == []


def test_a_broken_configuration_leaves_it_as_it_is(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    path = place / "file"
    config = program.block("given") + block("given", path)
    daemon = start_daemon(config)
    until(lambda: text(path))
    daemon.write_config(config + block("given", path))
    daemon.send(signal.SIGHUP)
    until(lambda: "reload refused" in daemon.log())
    assert "is written by the sink at" in daemon.log()
    assert text(path) == "opaque-1"
    assert sink(daemon, path)["state"] == "fresh"


def test_a_token_that_was_refused_is_replaced(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path))
    until(lambda: sink(daemon, path)["token_id"])
    body = json.dumps({"token_id": sink(daemon, path)["token_id"]}).encode()
    assert daemon.request("POST", "/v1/credentials/given/rejected", body=body).status == 202
    until(lambda: text(path) == "opaque-2")


# --- the source is down, the daemon was killed --------------------------------------------------


def test_a_good_token_stays_while_the_source_is_down_and_an_ended_one_goes(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """Guarantee 3, and never an expired token as if it was good."""
    program.set(lifetime=6)
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path))
    until(lambda: text(path))
    program.set(exit=3)
    stale = until(lambda: (found := sink(daemon, path))["state"] == "stale" and found)
    assert text(path)
    assert stale["failure"]["message"]
    until(lambda: sink(daemon, path)["state"] == "empty")
    until(lambda: not path.exists())
    program.set(exit=None)
    until(lambda: text(path))


def test_another_credential_stands_in(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    """As for every caller; the file goes back to its own credential once that gives a token."""
    other = MintProgram(tmp_path / "other")
    other.set(raw=json.dumps({"version": 1, "token": "other", "expires_at": time.time() + 3600}))
    program.set(exit=3)
    path = place / "file"
    daemon = start_daemon(
        program.block("given", fallback='["second"]') + other.block("second") + block("given", path)
    )
    until(lambda: text(path) == "other")
    assert sink(daemon, path)["state"] == "stale"
    program.set(exit=None)
    until(lambda: text(path).startswith("opaque-"))
    until(lambda: sink(daemon, path)["state"] == "fresh")


@pytest.mark.slow
def test_the_next_daemon_goes_on_with_it(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """It stays until there is a fresher one, or until its own end."""
    program.set(lifetime=30)
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path))
    until(lambda: text(path) and noted(daemon))
    ends = sink(daemon, path)["expires_at"]
    held = text(path)
    daemon.kill9()
    program.set(exit=3)
    daemon.start()
    until(lambda: sink(daemon, path)["state"] == "stale")
    assert text(path) == held
    program.set(exit=None)
    until(lambda: text(path) not in {"", held})
    daemon.kill9()
    program.set(exit=3)
    daemon.start()
    until(lambda: not path.exists(), 90)
    assert time.time() > ends


def test_s9_a_kill_leaves_the_old_file_or_the_new_one(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """S9: a real daemon, at any moment; the next one takes away what is half."""
    program.set(lifetime=2)
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path, "json"))
    for number in range(8):
        seen = program.mints
        until(lambda seen=seen: program.mints > seen)
        # A mint takes some milliseconds, and so does the rewrite after it.
        time.sleep(0.01 * number)
        daemon.kill9()
        if path.exists():
            assert json.loads(text(path))["token"].startswith("opaque-")
        daemon.start()
    until(lambda: text(path) and [each.name for each in place.iterdir()] == ["file"])


def test_a_file_that_somebody_removed_comes_back(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """At a reload, and at the next start; by themselves with the next token."""
    path = place / "file"
    daemon = start_daemon(program.block("given") + block("given", path))
    until(lambda: text(path))
    path.unlink()
    daemon.send(signal.SIGHUP)
    until(lambda: text(path) == "opaque-1")
    path.unlink()
    daemon.kill9()
    program.set(exit=3)
    daemon.start()
    until(lambda: sink(daemon, path)["state"] == "empty")


# --- what is refused ---------------------------------------------------------------------------


def test_policy_may_forbid_the_file(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    """By its door; then nothing is minted for it, and a reload that forbids it takes it away."""
    path, policy = place / "file", tmp_path / "policy"
    policy.mkdir()
    config = f'[policy]\ndirectory = "{policy}"\n' + program.block("given") + block("given", path)
    daemon = start_daemon(config)
    until(lambda: text(path))
    (policy / "no.cedar").write_text(
        '@id("no-files") @advice("use the socket")\n'
        "forbid (principal is Caller, action, resource is Credential)\n"
        'when { principal.door == "file" };\n'
    )
    daemon.send(signal.SIGHUP)
    until(lambda: not path.exists())
    found = sink(daemon, path)
    assert found["state"] == "denied"
    assert 'denied by policy "no-files": use the socket' in found["failure"]["message"]
    assert audited(daemon)[-1] == ("denied", "token")
    assert daemon.get("given").status == 200
    mints = program.mints
    daemon.stop()
    daemon.start()
    until(lambda: sink(daemon, path)["state"] == "denied")
    assert program.mints == mints
    said = cli(daemon, "config", "check", CREDWARD_CONFIG=str(daemon.config_file))
    assert f"{path} is not written, the daemon itself is denied by policy" in said.stdout


def test_other_modes_permit_no_file_by_themselves(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    path, policy = place / "file", tmp_path / "policy"
    policy.mkdir()
    (policy / "listed.cedar").write_text(
        '@id("listed") permit (principal is Caller, action, resource is Credential)\n'
        "when { principal.is_listed };\n"
    )
    other = os.geteuid() + 1
    config = (
        f'[policy]\ndirectory = "{policy}"\n[listen]\nmode = "sidecar"\nallow_uids = [{other}]\n'
    )
    daemon = start_daemon(config + program.block("given") + block("given", path))
    until(lambda: audited(daemon) == [("denied", "token")])
    said = cli(daemon, "config", "check", CREDWARD_CONFIG=str(daemon.config_file))
    assert 'principal.door == "file"' in said.stdout
    assert not path.exists()
    (policy / "files.cedar").write_text(
        '@id("files") permit (principal is Caller, action == Action::"Issue", resource)\n'
        'when { principal.is_owner && principal.door == "file" };\n'
    )
    daemon.send(signal.SIGHUP)
    until(lambda: text(path))


def test_s2_a_link_and_an_open_folder_are_refused(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    """Nothing is asked for what cannot be written; corrected, it is written at the reload."""
    link, elsewhere = place / "link", place / "elsewhere"
    elsewhere.write_text("mine")
    link.symlink_to(elsewhere)
    opened = own_folder(tmp_path / "opened")
    opened.chmod(0o770)
    foreign = place / "foreign"
    foreign.write_text("mine")
    gone = tmp_path / "gone" / "file"
    pipe = place / "pipe"
    os.mkfifo(pipe)
    paths = [link, opened / "file", foreign, gone, pipe]
    daemon = start_daemon(program.block("given") + "".join(block("given", each) for each in paths))

    def said(path: Path) -> str:
        failure = until(lambda: sink(daemon, path)["failure"])
        return failure["message"]

    assert "is a symbolic link" in said(link)
    assert f"run chmod go-w {opened}" in said(opened / "file")
    assert "was written or changed by somebody else: move it away" in said(foreign)
    assert f"run mkdir -m 0700 {gone.parent}" in said(gone)
    assert "is not a regular file" in said(pipe)
    assert (elsewhere.read_text(), foreign.read_text()) == ("mine", "mine")
    assert audited(daemon) == []
    opened.chmod(0o700)
    gone.parent.mkdir(mode=0o700)
    daemon.send(signal.SIGHUP)
    until(lambda: text(opened / "file") and text(gone))
    shown = cli(daemon, "status").stdout
    assert f"{link}: " in shown
    assert "move it away" in shown


def test_a_mode_opens_it_for_a_group(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    path = place / "file"
    config = program.block("given")
    daemon = start_daemon(config + block("given", path, mode="0640"))
    until(lambda: text(path))
    assert path.stat().st_mode & 0o7777 == 0o640
    daemon.write_config(config + block("given", path))
    daemon.send(signal.SIGHUP)
    until(lambda: text(path) and path.stat().st_mode & 0o7777 == 0o600)


# --- the program --------------------------------------------------------------------------------


def test_a_program_is_run_after_each_rewrite(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """It is told the path, and no secret in words or environment."""
    path, log = place / "file", place / "log"
    script = place / "told"
    script.write_text(f'#!/bin/sh\n(echo "$@"; env; cat "$CREDWARD_SINK_PATH"; echo) >> {log}\n')
    script.chmod(0o700)
    daemon = start_daemon(
        program.block("given") + block("given", path, on_change=[str(script), "a b"])
    )
    told = until(lambda: text(log).endswith("opaque-1\n") and text(log))
    assert told.splitlines()[0] == "a b"
    assert f"CREDWARD_SINK_PATH={path}" in told.splitlines()
    assert told.count("opaque-1") == 1
    assert "CANARY_SECRET" not in told
    assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200
    until(lambda: text(log).endswith("opaque-2\n"))
    assert "on_change: " in daemon.log()


# --- the disk -----------------------------------------------------------------------------------


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_full_disk_leaves_the_old_file_whole(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """The status says so, and it is written once there is room; so does a read-only folder."""
    with SmallDisk(tmp_path / "disk") as disk:
        path = own_folder(disk.path / "place") / "file"
        daemon = start_daemon(program.block("given") + block("given", path))
        until(lambda: text(path))
        with disk.full():
            assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200
            found = until(lambda: (now := sink(daemon, path))["failure"] and now)
            assert "make room on that disk" in found["failure"]["message"]
            assert found["state"] == "stale"
            assert text(path) == "opaque-1"
            assert [each.name for each in path.parent.iterdir()] == [path.name]
        daemon.send(signal.SIGHUP)
        until(lambda: text(path) == "opaque-2")
        with disk.read_only():
            assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200
            found = until(lambda: (now := sink(daemon, path))["failure"] and now)
            assert "make its folder writable" in found["failure"]["message"]
            assert text(path) == "opaque-2"


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_write_and_a_removal_that_fail_do_not_take_turns_without_a_pause(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """A file of other settings has to go, and cannot: each attempt hands out a token."""
    with SmallDisk(tmp_path / "disk") as disk:
        path = own_folder(disk.path / "place") / "file"
        sinks = block("given", path, "env")
        daemon = start_daemon(program.block("given") + sinks)
        until(lambda: text(path))
        with disk.read_only():
            before = len(audited(daemon))
            daemon.write_config(program.block("given", env_name='"OTHER"') + sinks)
            daemon.send(signal.SIGHUP)
            found = until(lambda: (now := sink(daemon, path))["failure"] and now)
            assert "make its folder writable" in found["failure"]["message"]
            time.sleep(1.0)
            assert len(audited(daemon)) <= before + 2
        daemon.send(signal.SIGHUP)
        until(lambda: text(path).startswith("OTHER="))
