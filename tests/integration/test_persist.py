"""`persist = true`: tokens outlive the daemon in the sealed store, and nothing else does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fakes.oauth_server import OAuthServer
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from integration.minting import MintProgram
from marks import slow
from waiting import until


def prepare(
    start_daemon: DaemonFactory, tmp_path: Path, text: str, store: str = 'key = "key_file"'
) -> RunningDaemon:
    return start_daemon(permit_all(tmp_path, store=store) + text)


def kept(daemon: RunningDaemon) -> int:
    """Return how many tokens lie in the store, as its open part says."""
    store = daemon.state_dir / "store.sealed"
    return store.read_text().count('"token:') if store.exists() else 0


def locked(daemon: RunningDaemon) -> bool:
    return daemon.request("GET", "/v1/credentials").json()["locked"]


def restart(daemon: RunningDaemon) -> None:
    daemon.kill9()
    daemon.start()


@pytest.mark.parametrize("keep", ["demand", *slow("always")])
def test_a_kept_token_is_served_after_a_restart_without_a_mint(
    start_daemon: DaemonFactory, tmp_path: Path, program: MintProgram, keep: str
) -> None:
    """Also where the daemon would have minted by itself; with all that is known of the token."""
    daemon = prepare(
        start_daemon, tmp_path, program.block("gateway", persist="true", keep=f'"{keep}"')
    )
    first = daemon.get("gateway")
    until(lambda: kept(daemon) == 1)
    restart(daemon)
    again = daemon.get("gateway")
    time.sleep(0.5)

    assert again.text == first.text == "opaque-1"
    assert again.headers["expires-at"] == first.headers["expires-at"]
    assert again.headers["token-id"] == first.headers["token-id"]
    assert program.mints == 1
    assert daemon.status("gateway")["state"] == "fresh"
    assert b"opaque-1" not in (daemon.state_dir / "store.sealed").read_bytes()


def test_a_clean_end_keeps_what_was_minted_a_moment_ago(
    start_daemon: DaemonFactory, tmp_path: Path, program: MintProgram
) -> None:
    """SIGTERM within the second in which it would have been written."""
    daemon = prepare(start_daemon, tmp_path, program.block("gateway", persist="true"))
    daemon.get("gateway")
    daemon.stop()
    daemon.start()

    assert daemon.get("gateway").text == "opaque-1"
    assert program.mints == 1


def test_without_the_word_nothing_is_kept(
    start_daemon: DaemonFactory, tmp_path: Path, program: MintProgram
) -> None:
    """The default: a token is in memory alone. Taken away by a reload, what is there goes."""
    both = program.block("one", persist="true") + program.block("two")
    daemon = prepare(start_daemon, tmp_path, both)
    for name in ("one", "two"):
        daemon.get(name)
    until(lambda: kept(daemon) == 1)
    time.sleep(1.2)
    assert kept(daemon) == 1

    text = daemon.config_file.read_text().replace("persist = true\n", "")
    daemon.write_config(text)
    assert daemon.request("POST", "/v1/reload").status == 200
    until(lambda: kept(daemon) == 0)
    assert daemon.get("one").text == "opaque-1"


@pytest.mark.parametrize("how", [*slow("refreshed", "changed", "expired"), "removed"])
def test_what_is_not_good_any_more_is_not_taken_up(
    start_daemon: DaemonFactory, tmp_path: Path, program: MintProgram, how: str
) -> None:
    """Replaced by a newer one, of another epoch, over, or of a credential that is gone."""
    program.set(lifetime=10 if how == "expired" else 3600)
    daemon = prepare(start_daemon, tmp_path, program.block("gateway", persist="true"))
    ends_at = float(daemon.get("gateway").headers["expires-at"])
    until(lambda: kept(daemon) == 1)
    if how == "refreshed":
        store = daemon.state_dir / "store.sealed"
        before = store.read_bytes()
        daemon.request("POST", "/v1/credentials/gateway/refresh")
        until(lambda: store.read_bytes() != before and kept(daemon))
    daemon.kill9()
    head = daemon.config_file.read_text().partition("[credentials")[0]
    match how:
        case "changed":
            daemon.write_config(head + program.block("gateway", persist="true", timeout=7))
        case "removed":
            daemon.write_config(head + program.block("other"))
        case "expired":
            time.sleep(max(0.0, ends_at + 1.1 - time.time()))
    daemon.start()

    if how == "removed":
        until(lambda: kept(daemon) == 0)
    else:
        assert daemon.get("gateway").text == "opaque-2"
        assert program.mints == 2


@pytest.mark.parametrize("word", ["/v1/grants/one/logout", *slow("/v1/revoke-all")])
def test_a_logged_out_grant_leaves_no_token(
    start_daemon: DaemonFactory, tmp_path: Path, word: str
) -> None:
    """Gone from both files before the answer to the logout; so does revoke-all."""
    with OAuthServer() as server:
        daemon = prepare(
            start_daemon,
            tmp_path,
            f'[credentials.one]\nprovider = "oauth"\nissuer = "{server.issuer}"\n'
            'client_id = "client-1"\nscope = "openid offline_access"\npersist = true\n',
        )
        assert daemon.hand_over("one", server.grant()).status == 200
        token = daemon.get("one").text
        until(lambda: kept(daemon) == 1)
        restart(daemon)
        assert daemon.get("one").text == token
        assert daemon.request("POST", word).status == 200
        assert kept(daemon) == 0
        assert b'"token:' not in (daemon.state_dir / "store.sealed.last").read_bytes()
        restart(daemon)
        assert daemon.get("one").kind == "login-required"


WORD = b'{"passphrase": "correct horse"}'


def unlock(daemon: RunningDaemon) -> None:
    assert daemon.request("POST", "/v1/unlock", body=WORD).status in {200, 204}


def test_a_lock_takes_the_tokens_along(
    start_daemon: DaemonFactory, tmp_path: Path, program: MintProgram
) -> None:
    """No token in either file while it is locked, and none from before when it is not any more."""
    daemon = prepare(
        start_daemon, tmp_path, program.block("gateway", persist="true"), 'key = "passphrase"'
    )
    unlock(daemon)
    daemon.get("gateway")
    until(lambda: kept(daemon) == 1)
    assert daemon.request("POST", "/v1/lock").status in {200, 204}
    assert kept(daemon) == 0
    assert b'"token:' not in (daemon.state_dir / "store.sealed.last").read_bytes()
    assert daemon.get("gateway").kind == "store-locked"

    unlock(daemon)
    assert daemon.get("gateway").text == "opaque-2"
    # Unlocked and killed: what is kept is served again only when a human has unlocked it.
    until(lambda: kept(daemon) == 1)
    restart(daemon)
    assert daemon.get("gateway").kind == "store-locked"
    unlock(daemon)
    assert daemon.get("gateway").text == "opaque-2"
    assert program.mints == 2


@pytest.mark.slow
def test_idleness_locks(start_daemon: DaemonFactory, tmp_path: Path, program: MintProgram) -> None:
    """`lock_after` seconds without an ask; whoever asks now and then keeps it open."""
    daemon = prepare(
        start_daemon,
        tmp_path,
        program.block("gateway", persist="true"),
        'key = "passphrase"\nlock_after = 6',
    )
    unlock(daemon)
    for _ in range(5):
        assert daemon.get("gateway").text == "opaque-1"
        time.sleep(2)
    until(lambda: kept(daemon) == 1)
    assert not locked(daemon)
    time.sleep(6.2)
    assert daemon.get("gateway").kind == "store-locked"
    until(lambda: locked(daemon))
    assert kept(daemon) == 0
    restart(daemon)
    assert daemon.get("gateway").kind == "store-locked"
    unlock(daemon)
    assert daemon.get("gateway").text == "opaque-2"
    assert program.mints == 2
