"""Grants from hand-over to revocation, parked, locked and upgraded, by command line and API."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fakes.oauth_server import Answer, Family, OAuthServer
from integration.command_line import by_owner, cli, command, grant, status
from integration.daemon import DaemonFactory, RunningDaemon
from integration.old_stores import put_store
from marks import slow
from waiting import PATIENCE, until

pytestmark = by_owner

BLOCK = """
[credentials.{name}]
provider = "oauth"
grant = "team"
issuer = "{issuer}"
client_id = "client-1"
scope = "openid offline_access"
header = "X-{name}"
"""
NAMES = ["one", "two", "three"]
PASSPHRASE = "correct horse battery staple"
KEY = (
    '\n[credentials.key]\nprovider = "static"\nkind = "api-key"\nsecret = { store = "team-key" }\n'
)
LOCAL = '\n[credentials.demo]\nprovider = "local"\n'
PORTAL = Answer(content_type="text/html", body=b"<html><body>Please accept our terms</body></html>")


@pytest.fixture
def upstream() -> Iterator[OAuthServer]:
    with OAuthServer() as running:
        yield running


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[OAuthServer]:
    with OAuthServer() as running:
        yield running


def config(upstream: OAuthServer, *names: str) -> str:
    return "".join(BLOCK.format(name=name, issuer=upstream.issuer) for name in names or NAMES)


@pytest.fixture
def daemon(start_daemon: DaemonFactory, upstream: OAuthServer) -> RunningDaemon:
    """Three credentials on one grant that nobody has given yet, and one that needs none."""
    return start_daemon(config(upstream) + LOCAL)


@pytest.fixture(scope="module")
def bare(start_shared_daemon: DaemonFactory, shared_upstream: OAuthServer) -> RunningDaemon:
    """The same for tests that give it nothing: they share it."""
    return start_shared_daemon(config(shared_upstream) + LOCAL)


@pytest.fixture(scope="module")
def settled(start_shared_daemon: DaemonFactory, shared_upstream: OAuthServer) -> RunningDaemon:
    """A daemon with a grant and a secret, for tests in which nothing may change."""
    daemon = start_shared_daemon(config(shared_upstream) + LOCAL)
    import_grant(daemon, shared_upstream.grant())
    assert cli(daemon, "secret", "set", "team-key", given="sk-1").returncode == 0
    return daemon


def import_grant(daemon: RunningDaemon, secret: str, name: str = "one") -> str:
    done = cli(daemon, "login", name, "--grant-stdin", given=secret + "\n")
    assert done.returncode == 0, done.stderr
    return done.stdout


def hand_over_alone(daemon: RunningDaemon, secret: str) -> None:
    """Hand a grant over and leave no token of the mint that tried it."""
    import_grant(daemon, secret)
    daemon.stop()
    daemon.start()


def given_at(daemon: RunningDaemon, credential: str) -> Any:
    """Return when the grant of a credential was given, without a program to ask."""
    listed = daemon.request("GET", "/v1/credentials").json()["grants"]
    return next(each["given_at"] for each in listed if credential in each["credentials"])


def mints(upstream: OAuthServer) -> int:
    return upstream.paths().count("token")


def refresh(daemon: RunningDaemon, name: str = "one") -> Any:
    return daemon.request("POST", f"/v1/credentials/{name}/refresh?timeout=60")


# --- given and given up ----------------------------------------------------------------------


def test_hand_over(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """A refresh token from a pipe becomes ours alone; that it is good its first use has shown."""
    assert cli(daemon, "get", "two").returncode == 67
    said = import_grant(daemon, upstream.grant())

    assert said == "taken over, and it works: one, two, three, 1 caller was refused meanwhile\n"
    assert cli(daemon, "get", "one").stdout.startswith("at-")
    # Rotated by the mint: the one that was handed over is used up, ours is current.
    assert len(upstream.families[0].used) == 1
    assert grant(daemon, "one")["rotations"] == 1


def test_g7_a_grant_that_is_no_good(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """G7: one line says so; without a login before, that is what everybody hears then."""
    done = cli(daemon, "login", "two", "--grant-stdin", "--json", given="rt-of-somebody-else")
    assert (done.returncode, done.stdout) == (67, "")
    assert '"one" needs a login' in done.stderr or '"two" needs a login' in done.stderr
    upstream.portal = Answer(status=503)
    done = cli(daemon, "login", "two", "--grant-stdin", given=upstream.grant())
    assert done.returncode == 0
    first, second = done.stdout.splitlines()

    assert first.startswith("kept for one, two, three, it has not worked yet: ")
    assert first.endswith("; an earlier login stays until then")
    assert second == "next: credward get --fresh one (tries it again)"
    upstream.portal = None
    assert cli(daemon, *second.split("credward ")[1].split()[:3]).returncode == 0


@pytest.mark.parametrize(
    "given", ["", "\n", "two\nlines\n", "x" * 40_000], ids=["none", "blank", "two", "long"]
)
def test_what_is_no_grant(bare: RunningDaemon, given: str) -> None:
    """Refused in one line, and nothing is kept of it."""
    done = cli(bare, "login", "one", "--grant-stdin", given=given)

    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.count("\n") == 1
    assert grant(bare, "one")["given_at"] is None


def test_a_grant_for_what_needs_none(bare: RunningDaemon) -> None:
    """A credential without a grant says so."""
    done = cli(bare, "login", "demo", "--grant-stdin", given="rt")
    assert done.returncode == 64
    assert '"demo" needs no grant' in done.stderr


@pytest.mark.parametrize(
    "words", [("logout", "two"), *slow(("logout", "--revoke", "two"), ("logout", "--all"))]
)
def test_giving_up(daemon: RunningDaemon, upstream: OAuthServer, words: tuple[str, ...]) -> None:
    """Revoked upstream, forgotten here with its tokens, and still so after a crash."""
    import_grant(daemon, upstream.grant())
    assert cli(daemon, "get", "one").returncode == 0
    done = cli(daemon, *words)

    assert done.returncode == 0, done.stderr
    assert "one, two, three" in done.stdout
    assert "revoked" in done.stdout
    assert upstream.families[0].revoked
    for _ in range(2):
        for name in NAMES:
            refused = cli(daemon, "get", name)
            assert (refused.returncode, refused.stdout) == (67, "")
        daemon.kill9()
        daemon.start()
    assert cli(daemon, "get", "demo").returncode == 0


@pytest.mark.slow
def test_giving_up_while_upstream_is_down(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """Forgotten all the same, and said so: the server may still take it."""
    import_grant(daemon, upstream.grant())
    cli(daemon, "get", "one")
    upstream.portal = Answer(status=503, body=b"down")
    done = cli(daemon, "logout", "one")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "logged out: one, two, three\n"
    assert done.stderr.startswith("  not revoked upstream: ")
    assert not upstream.families[0].revoked
    assert cli(daemon, "get", "one").returncode == 67


@pytest.mark.slow
def test_who_must_have_it_revoked_is_told_if_it_was_not(
    daemon: RunningDaemon, upstream: OAuthServer
) -> None:
    """The grant is gone here either way."""
    import_grant(daemon, upstream.grant())
    cli(daemon, "get", "one")
    upstream.portal = Answer(status=503, body=b"down")
    done = cli(daemon, "logout", "--revoke", "one")

    assert done.returncode == 76
    assert done.stderr.endswith(
        "credward: not revoked upstream: end the session at the provider, too\n"
    )
    assert cli(daemon, "get", "one").returncode == 67


@pytest.mark.slow
def test_a_mint_that_is_out_brings_nothing_back(
    daemon: RunningDaemon, upstream: OAuthServer
) -> None:
    """Logged out in mid-mint: neither token nor rotated grant comes to life again."""
    hand_over_alone(daemon, upstream.grant())
    begun, logged_out = threading.Event(), threading.Event()

    def slow(asked: object) -> Answer:
        begun.set()
        # However long the command line takes to begin on a slow machine.
        logged_out.wait(PATIENCE)
        return Answer(
            body=json.dumps(
                {"access_token": "at-late", "token_type": "Bearer", "expires_in": 3600,
                 "refresh_token": "rt-late"}
            ).encode(),
        )  # fmt: skip

    upstream.script.append(slow)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(daemon.get("one", timeout=60)))
    asking.start()
    assert begun.wait(PATIENCE)
    with ThreadPoolExecutor() as pool:
        done = pool.submit(cli, daemon, "logout", "one")
        until(lambda: given_at(daemon, "one") is None)
        logged_out.set()
    assert done.result().returncode == 0
    asking.join()

    assert (answers[0].status, answers[0].kind) == (401, "login-required")
    time.sleep(1.5)
    assert daemon.get("one").status == 401
    assert grant(daemon, "one")["given_at"] is None


@pytest.mark.parametrize(
    "words", [("logout", "two"), ("logout", "--revoke", "team"), ("logout", "--all")]
)
def test_giving_up_what_there_is_not(bare: RunningDaemon, words: tuple[str, ...]) -> None:
    """Is no failure, and no success is claimed."""
    done = cli(bare, *words)
    assert (done.returncode, done.stdout) == (0, "there was no login: one, two, three\n")


def test_a_key_is_no_login_to_forget(start_daemon: DaemonFactory) -> None:
    """It would go on working, so nobody is told that there was nothing; the line says what ends it."""
    daemon = start_daemon(KEY)
    cli(daemon, "secret", "set", "team-key", given="sk-1")
    done = cli(daemon, "logout", "key")

    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == (
        'credward: "key" is a key, not a login, and goes on working: to stop it, run '
        "credward remove key\n"
    )
    assert cli(daemon, "logout", "--all", "--yes").returncode == 0


def test_status_knows_before_anybody_asks(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """Which login is missing, whose there is and since when: in the table, in JSON and as a verdict."""
    # It is ready before it has looked into the store.
    until(lambda: daemon.status("two")["state"] == "parked")
    shown = cli(daemon, "status", "two", "three")
    told = grant(daemon, "two")
    assert re.search(r"^two +oauth +needs-login ", shown.stdout, re.MULTILINE), shown.stdout
    assert re.search(r"^team +needs-login +- +- +- +one, two, three$", shown.stdout, re.MULTILINE)
    assert '"one" needs a login: run credward login one' in shown.stdout
    assert (told["state"], told["parked_at"]) == ("needs-login", None)
    assert cli(daemon, "status", "--check").returncode == 1
    assert "grant" not in cli(daemon, "status", "demo").stdout
    assert re.search(
        r"^grant: +team, needs-login; for one", cli(daemon, "status", "two").stdout, re.MULTILINE
    )
    assert upstream.log == []

    hand_over_alone(daemon, upstream.grant())
    until(lambda: grant(daemon, "two")["state"] == "valid")
    shown = cli(daemon, "status")
    assert re.search(r"^two +oauth +empty ", shown.stdout, re.MULTILINE), shown.stdout
    assert re.search(r"^team +valid +\S+ +\d+s ago +- +one, ", shown.stdout, re.MULTILINE)
    assert cli(daemon, "status", "--check").returncode == 0
    upstream.families[0].revoked = True
    cli(daemon, "get", "one")
    told = grant(daemon, "two")
    assert told["state"] == "needs-login"
    assert told["parked_at"] is not None
    windows = {each["credential"]: each for each in status(daemon)["unusable"]}
    assert windows["one"] == {
        "credential": "one",
        "kind": "disabled",
        "reason": "login-required",
        "since": None,
        "until": None,
        "remaining": None,
        "recovery": "reauthorize",
    }


def test_logout_wants_one_or_all(bare: RunningDaemon) -> None:
    """Nothing is dropped by a slip of the fingers."""
    unnamed = cli(bare, "logout")
    assert unnamed.returncode == 64
    assert unnamed.stderr == "credward: name the login to forget: run credward logout one\n"
    assert cli(bare, "logout", "one", "--all").returncode == 64
    assert cli(bare, "logout", "nobody").returncode == 78
    near = cli(bare, "logout", "thre").stderr
    assert near.startswith('credward: "thre" is neither a credential nor a grant, perhaps "three":')


# --- secrets ---------------------------------------------------------------------------------


def test_secrets(start_daemon: DaemonFactory) -> None:
    """Set, used by `{ store = … }`, listed by name only, replaced, removed, and there after a crash."""
    daemon = start_daemon(KEY)
    missing = cli(daemon, "get", "key")
    assert missing.returncode == 78
    assert "credward secret set team-key" in missing.stderr

    assert cli(daemon, "secret", "set", "team-key", given="sk-first\n").returncode == 0
    assert cli(daemon, "get", "key").stdout == "sk-first\n"
    assert cli(daemon, "secret", "list").stdout.splitlines()[1:] == ["team-key  key (any host)"]
    assert json.loads(cli(daemon, "secret", "list", "--json").stdout) == {
        "names": ["team-key"],
        "secrets": [
            {"name": "team-key", "used": True, "uses": [{"credential": "key", "base_urls": []}]}
        ],
    }
    daemon.kill9()
    daemon.start()
    assert cli(daemon, "get", "key").stdout == "sk-first\n"

    replaced = cli(daemon, "secret", "set", "team-key", given="sk-second")
    assert (replaced.returncode, replaced.stdout) == (0, "stored: key uses it from now on\n")
    assert cli(daemon, "get", "key").stdout == "sk-second\n"
    assert cli(daemon, "secret", "rm", "team-key").stdout == "removed: team-key\n"
    assert cli(daemon, "secret", "rm", "team-key").returncode == 78
    assert cli(daemon, "get", "key").returncode == 78
    stored = (daemon.state_dir / "store.sealed").read_bytes()
    assert b"sk-" not in stored
    assert "sk-" not in daemon.log()


@pytest.mark.parametrize(
    ("name", "given"), [("team-key", ""), ("no/name", "x"), ("team-key", "x" * 40_000)]
)
def test_what_is_no_secret(bare: RunningDaemon, name: str, given: str) -> None:
    """Refused in one line."""
    done = cli(bare, "secret", "set", name, given=given)
    assert done.returncode == 64, done.stdout
    assert done.stderr.count("\n") == 1
    assert (
        "credward secret set" in done.stderr
        or "pipe it in" in done.stderr
        or "no slash" in done.stderr
    )
    assert cli(bare, "secret", "list").stdout == ""


# --- locked ----------------------------------------------------------------------------------

# What tells of the daemon, hands nothing out and changes nothing.
OPEN = {
    ("get", "/v1/choices"),
    ("get", "/v1/credentials"),
    ("get", "/v1/endpoints"),
    ("get", "/v1/health"),
    ("get", "/v1/ready"),
    ("get", "/metrics"),
    ("get", "/v1/openapi.json"),
    ("get", "/v1/audit"),
    ("get", "/v1/credentials/{name}/jwks"),
    ("post", "/v1/unlock"),
}


def lock(daemon: RunningDaemon) -> None:
    done = cli(daemon, "lock", given=PASSPHRASE + "\n")
    assert (done.returncode, done.stderr) == (0, "")


def unlock(daemon: RunningDaemon, passphrase: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
    return cli(daemon, "unlock", given=passphrase + "\n")


def operations(daemon: RunningDaemon) -> list[tuple[str, str]]:
    paths = daemon.request("GET", "/v1/openapi.json").json()["paths"]
    return [(verb, path) for path, verbs in paths.items() for verb in verbs]


def refused_operations(daemon: RunningDaemon) -> set[tuple[str, str]]:
    found = set()
    for verb, path in operations(daemon):
        if path == "/v1/unlock":
            continue
        target = path.replace("{name}", "one").replace("{id}", "x").replace("{format}", "token")
        body = {
            "/v1/grants/{name}/grant": {"grant": "rt"},
            "/v1/secrets/{name}": {"value": "x"},
            "/v1/logins/{id}/answer": {"field": "x", "value": "x"},
            "/v1/lock": {"passphrase": PASSPHRASE},
            "/v1/sessions": {"endpoints": [{"credential": "one", "door": "gce"}]},
        }.get(path, {})
        # The one body that is no JSON: what a helper hands over about its folder.
        asked = path == "/v1/credentials/{name}/{format}"
        content = b"" if asked else json.dumps(body).encode()
        answer = daemon.request(verb.upper(), target, body=content)
        if answer.kind == "store-locked":
            found.add((verb, path))
    return found


def test_h6_locked(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """Every operation but looking and unlocking is refused, over a restart too; then all is as it was."""
    import_grant(daemon, upstream.grant())
    cli(daemon, "get", "one")
    cli(daemon, "get", "demo")
    lock(daemon)
    asked = mints(upstream)

    everything = set(operations(daemon))
    assert OPEN <= everything
    for _ in range(2):
        assert refused_operations(daemon) == everything - OPEN
        for name in ("one", "demo"):
            refused = cli(daemon, "get", name)
            assert (refused.returncode, refused.stdout) == (75, "")
            assert refused.stderr == "credward: the store is locked: run credward unlock\n"
        told = status(daemon)
        assert told["locked"] is True
        assert {each["state"] for each in told["credentials"]} == {"locked"}
        assert all(each["token_id"] is None for each in told["credentials"])
        shown = cli(daemon, "status").stdout
        assert shown.count("the store is locked: run credward unlock") == 1
        assert cli(daemon, "status", "--check").returncode == 1
        daemon.kill9()
        daemon.start()
    assert mints(upstream) == asked
    assert grant(daemon, "one")["state"] == "locked"

    assert unlock(daemon).stdout == "unlocked\n"
    assert cli(daemon, "get", "one").returncode == 0
    assert cli(daemon, "get", "demo").returncode == 0
    assert status(daemon)["locked"] is False


def test_a_short_passphrase_locks_and_is_warned_of(daemon: RunningDaemon) -> None:
    """Locked at once is what its owner wants; what the warning says ends it."""
    done = cli(daemon, "lock", given="abc\n")
    assert unlock(daemon, "abc").returncode == 0
    lock(daemon)

    assert done.returncode == 0
    assert done.stderr.startswith("warning: a passphrase of less than 8 characters is soon guessed")
    assert unlock(daemon, "abc").returncode != 0
    assert unlock(daemon).returncode == 0


@pytest.mark.parametrize("words", [("one",), ("--all", "--yes")], ids=len)
def test_a_locked_store_keeps_its_logins_and_says_what_that_means(
    daemon: RunningDaemon, upstream: OAuthServer, words: tuple[str, ...]
) -> None:
    """Whoever removes the program next would leave a login that is valid."""
    import_grant(daemon, upstream.grant())
    lock(daemon)
    refused = cli(daemon, "logout", *words)
    assert unlock(daemon).returncode == 0
    done = cli(daemon, "logout", *words)

    assert refused.returncode == 75
    assert refused.stderr == (
        "credward: the store is locked: run credward unlock; until then the login stays valid, "
        "and if the passphrase is lost, only its server can end it\n"
    )
    assert done.stdout == "logged out: one, two, three, revoked upstream\n"
    assert upstream.families[0].revoked


@pytest.fixture
def key(daemon: RunningDaemon, upstream: OAuthServer) -> Path:
    """The place of the key, which is gone from there since the daemon started with a login."""
    import_grant(daemon, upstream.grant())
    daemon.stop()
    place = daemon.config_file.with_name("store.key")
    place.rename(place.with_suffix(".aside"))
    daemon.start()
    return place


def test_a_store_without_its_key_cannot_be_locked_and_says_why(
    daemon: RunningDaemon, key: Path
) -> None:
    """The cause is not hidden behind a lock that no passphrase opens; with the key it locks."""
    refused = [cli(daemon, word, given=PASSPHRASE + "\n") for word in ("lock", "unlock", "logout")]
    body = json.dumps({"passphrase": PASSPHRASE}).encode()
    refused_here = daemon.request("POST", "/v1/lock", body=body)
    found = status(daemon)
    key.with_suffix(".aside").rename(key)

    assert [each.returncode for each in refused[:2]] == [78, 78]
    assert all("is gone: restore it" in each.stderr for each in refused[:2]), refused
    assert "credward daemon stop ends what is handed out" in refused[0].stderr
    assert "passphrase" not in refused[2].stderr
    assert (refused_here.status, refused_here.kind) == (500, "fix-configuration")
    assert not found["locked"]
    assert "is gone" in found["store_failure"]["message"]
    lock(daemon)
    assert status(daemon)["locked"]


def test_without_a_copy_of_the_key_one_begins_anew(
    daemon: RunningDaemon, upstream: OAuthServer, key: Path, tmp_path: Path
) -> None:
    """As the message says: move both files away and log in again, while the daemon runs."""
    told = cli(daemon, "unlock").stderr
    for name in ("store.sealed", "store.sealed.last"):
        assert name in told
        (daemon.state_dir / name).rename(tmp_path / name)
    import_grant(daemon, upstream.grant())

    assert daemon.get("one").status == 200
    assert key.exists()
    daemon.stop()
    daemon.start()
    assert daemon.get("one").status == 200


@pytest.mark.parametrize("given", ["", "\n"])
def test_a_lock_without_a_passphrase_is_refused_before_it_locks(
    daemon: RunningDaemon, given: str
) -> None:
    """Without a terminal there is nobody to type one; the daemon is not even asked."""
    locked = cli(daemon, "lock", given=given)
    unlocked = cli(daemon, "unlock", "--passphrase-stdin", given=given)

    assert (locked.returncode, locked.stdout) == (64, "")
    assert locked.stderr == (
        "credward: no passphrase came on standard input, nothing was changed: "
        "run credward lock in a terminal, or pipe it into --passphrase-stdin\n"
    )
    assert (unlocked.returncode, unlocked.stdout) == (0, "unlocked\n")
    assert status(daemon)["locked"] is False
    assert cli(daemon, "get", "demo").returncode == 0


def test_a_lock_of_a_locked_store_asks_for_nothing(daemon: RunningDaemon) -> None:
    """The passphrase of the first one stays the one that opens it."""
    lock(daemon)
    again = cli(daemon, "lock", given="")

    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("it is locked already: ")
    assert unlock(daemon).stdout == "unlocked\n"


def test_what_needs_no_login_says_so(start_daemon: DaemonFactory) -> None:
    """And where its token comes from."""
    daemon = start_daemon(KEY + LOCAL)
    key, demo = (cli(daemon, "login", name).stderr for name in ("key", "demo"))

    assert key.startswith('credward: "key" needs no login, it is a secret from ')
    assert key.endswith(": run credward get key\n")
    assert demo == (
        'credward: "demo" needs no login, its tokens are signed on this machine: '
        "run credward get demo\n"
    )


def test_g6_a_lock_keeps_what_failed(start_daemon: DaemonFactory, upstream: OAuthServer) -> None:
    """A missing secret, a program that is not there, a login that is refused: as before the unlock."""
    program = '\n[credentials.program]\nprovider = "command"\ncommand = ["/no/such/program"]\n'
    daemon = start_daemon(config(upstream, "one") + KEY + program + LOCAL)
    hand_over_alone(daemon, upstream.grant())
    upstream.families[0].revoked = True
    for name in ("one", "key", "program", "demo"):
        daemon.get(name)
    names = ("one", "key", "program")
    before = {name: daemon.status(name) for name in names}
    lock(daemon)
    assert unlock(daemon).returncode == 0

    after = {name: daemon.status(name) for name in names}
    assert {name: (each["state"], each["failure"]) for name, each in after.items()} == {
        name: ("parked", before[name]["failure"]) for name in names
    }
    assert cli(daemon, "status", "--check").returncode == 1
    assert cli(daemon, "status", "demo", "--check").returncode == 0
    assert daemon.status("demo")["state"] == "empty"
    # What was missing comes: that ends it, for this one alone.
    assert cli(daemon, "secret", "set", "team-key", given="sk-1").returncode == 0
    assert daemon.get("key").text == "sk-1"
    assert cli(daemon, "status", "program", "--check").returncode == 1


@pytest.mark.slow
def test_g6_after_a_login_or_a_logout_nothing_has_expired(
    daemon: RunningDaemon, upstream: OAuthServer
) -> None:
    """Nothing was minted on the new login, and nothing is of the one that was given up."""
    import_grant(daemon, upstream.grant())
    daemon.get("one")
    cli(daemon, "logout", "one")
    assert daemon.status("one")["state"] == "parked"
    import_grant(daemon, upstream.grant())
    # The one that was named tried it; nothing was minted for the others.
    states = [daemon.status(name)["state"] for name in NAMES]
    assert states == ["fresh", "empty", "empty"]
    import_grant(daemon, upstream.grant(), "two")

    assert {daemon.status(name)["state"] for name in NAMES} <= {"empty", "fresh"}
    assert cli(daemon, "status", "--check").returncode == 0


@pytest.mark.slow
def test_h6_locked_from_the_first_moment(daemon: RunningDaemon) -> None:
    """A daemon that has just started refuses before it has opened the file."""
    cli(daemon, "get", "demo")
    lock(daemon)
    for _ in range(3):
        daemon.kill9()
        daemon.start(log_level="warning")
        assert daemon.get("demo").kind == "store-locked"


@pytest.mark.slow
def test_h6_wrong_passphrases(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """Each wrong one is answered later than the one before; nobody else waits for it."""
    import_grant(daemon, upstream.grant())
    lock(daemon)
    took = []
    for number in range(4):
        began = time.monotonic()
        answer = daemon.request("POST", "/v1/unlock", body=b'{"passphrase": "wrong"}')
        took.append(time.monotonic() - began)
        assert (answer.status, answer.kind) == (403, "denied"), number
    # 0, 1, 2 and 4 seconds, and the work of the passphrase.
    assert took[1] > 1
    assert took[2] > 2
    assert took[3] > 4

    guessing = threading.Thread(
        target=lambda: daemon.request("POST", "/v1/unlock", body=b'{"passphrase": "wrong"}')
    )
    guessing.start()
    waits = []
    for _ in range(20):
        began = time.monotonic()
        assert daemon.request("GET", "/v1/credentials").status == 200
        waits.append(time.monotonic() - began)
    assert guessing.is_alive()
    # Behind the guess one of them would take all of its 8 s.
    assert max(waits) < took[3]
    guessing.join()


@pytest.mark.parametrize(
    "body", [b"nonsense", b'{"passphrase": 7}', b"[]", b"\xff\xfe", b"{}", b'{"passphrase": ""}']
)
def test_h6_a_malformed_request_locks(bare: RunningDaemon, body: bytes) -> None:
    """Whoever asks for a lock and cannot say how is locked all the same, and told what is missing."""
    assert bare.get("demo").status == 200
    answer = bare.request("POST", "/v1/lock", body=body)

    assert (answer.status, answer.kind) == (400, "bad-request")
    assert bare.get("demo").kind == "store-locked"
    assert status(bare)["locked"] is True
    # There is no passphrase that could be asked for.
    assert unlock(bare, "").returncode == 0
    assert bare.get("demo").status == 200


@pytest.mark.slow
def test_h6_a_malformed_request_locks_with_the_passphrase_there_is(
    start_daemon: DaemonFactory,
) -> None:
    """A store that opens by passphrase is locked durably."""
    daemon = start_daemon('[store]\nkey = "passphrase"\n' + KEY)
    assert unlock(daemon).returncode == 0
    assert cli(daemon, "secret", "set", "team-key", given="sk-1").returncode == 0
    assert daemon.request("POST", "/v1/lock", body=b"nonsense").status == 400
    assert daemon.get("key").kind == "store-locked"
    daemon.kill9()
    daemon.start()
    assert daemon.get("key").kind == "store-locked"
    assert unlock(daemon, "").returncode == 64
    assert unlock(daemon).returncode == 0
    assert daemon.get("key").text == "sk-1"


def test_locked_in_mid_mint(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """The worker finishes into its journal; after unlock its rotation is taken over, no login needed."""
    hand_over_alone(daemon, upstream.grant())
    begun, locked = threading.Event(), threading.Event()
    real = upstream.handle

    def slow(asked: Any) -> Answer:
        answer = real(asked)
        if asked.method == "POST":
            begun.set()
            # However long the command line takes to lock on a slow machine.
            locked.wait(PATIENCE)
        return answer

    upstream.handle = slow  # type: ignore[method-assign]
    answers = []
    asking = threading.Thread(target=lambda: answers.append(daemon.get("one", timeout=60)))
    asking.start()
    assert begun.wait(PATIENCE)
    lock(daemon)
    locked.set()
    asking.join()
    assert answers[0].status == 503
    assert daemon.get("one").kind == "store-locked"
    upstream.handle = real  # type: ignore[method-assign]
    until(lambda: len(upstream.families[0].used) == 2)
    time.sleep(1.8)

    assert unlock(daemon).returncode == 0
    assert daemon.get("one").status == 200
    assert not upstream.families[0].revoked
    assert len(upstream.families[0].used) == 3


# --- parked ----------------------------------------------------------------------------------


def test_t9_parked(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """One line for every caller of every credential, at once, with no call upstream, over crashes."""
    hand_over_alone(daemon, upstream.grant())
    upstream.families[0].revoked = True
    assert daemon.get("one").kind == "login-required"
    asked = len(upstream.log)

    lines, took = set(), []
    for _ in range(3):
        ask(daemon, "demo")
        served = [ask(daemon, "demo")[1] for _ in range(30)]
        ask(daemon, "one")
        refused = [ask(daemon, name) for name in NAMES * 10]
        lines |= {line for line, _ in refused}
        waits = [seconds for _, seconds in refused]
        took += waits
        # 10 ms, and on a busy machine no more than three times what a token from memory takes.
        assert statistics.median(waits) <= max(0.010, 3 * statistics.median(served))
        for name in NAMES:
            assert refresh(daemon, name).kind == "login-required"
        told = status(daemon)
        assert [each["state"] for each in told["credentials"]] == ["parked"] * 3 + ["fresh"]
        daemon.kill9()
        daemon.start()

    print(f"T9: {statistics.median(took) * 1000:.1f} ms, at most {max(took) * 1000:.1f} ms")
    assert len(upstream.log) == asked
    (line,) = lines
    assert re.fullmatch(
        r'"one" needs a login since \d\d:\d\d \(invalid_grant\): run credward login one', line
    ), line
    (parked,) = [each for each in status(daemon)["grants"] if each["name"] == "team"]
    assert parked["parked_at"] is not None
    assert parked["failure"]["message"] == line
    assert cli(daemon, "status").stdout.count(line) == 1
    assert cli(daemon, "status", "--check").returncode == 1

    assert daemon.get("two").kind == "login-required"
    assert "refused meanwhile" in import_grant(daemon, upstream.grant())
    assert {daemon.get(name).status for name in NAMES} == {200}


def test_t9_a_valid_token_outlives_its_grant(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """It is handed out until it ends; whoever needs another one hears of the login."""
    import_grant(daemon, upstream.grant())
    first = daemon.get("one").text
    upstream.families[0].revoked = True
    forced = refresh(daemon)
    assert (forced.status, forced.kind) == (401, "login-required")
    asked = len(upstream.log)

    assert daemon.get("one").text == first
    assert daemon.get("two").kind == "login-required"
    assert cli(daemon, "get", "--fresh", "one").returncode == 67
    assert len(upstream.log) == asked


def ask(daemon: RunningDaemon, name: str) -> tuple[str, float]:
    began = time.monotonic()
    answer = daemon.get(name)
    took = time.monotonic() - began
    return (answer.json()["detail"] if answer.status != 200 else "", took)


@pytest.mark.slow
def test_t9_network_failures_delete_nothing(daemon: RunningDaemon, upstream: OAuthServer) -> None:
    """Refused connections are no verdict on the grant, over a restart too."""
    hand_over_alone(daemon, upstream.grant())
    upstream.portal = Answer(reset=True)
    assert daemon.get("one", timeout=10).kind in {"provider-unreachable", "timed-out"}
    daemon.kill9()
    daemon.start()
    assert daemon.get("one", timeout=10).kind in {"provider-unreachable", "timed-out"}
    upstream.portal = None

    until(lambda: daemon.get("one", timeout=20).status == 200)
    assert not upstream.families[0].revoked


@pytest.mark.parametrize("warm", [True, *slow(False)], ids=["warm", "cold"])
def test_t15_captive_portal(
    start_daemon: DaemonFactory, upstream: OAuthServer, *, warm: bool
) -> None:
    """Its page is neither a token nor a verdict; once it is gone all goes on by itself."""
    daemon = start_daemon(config(upstream))
    hand_over_alone(daemon, upstream.grant())
    first = daemon.get("one").text if warm else None
    upstream.portal = PORTAL
    for _ in range(3):
        failed = refresh(daemon)
        assert failed.status in {502, 503, 429}, failed.text
        assert b"terms" not in failed.body
    answer = daemon.get("one")
    if warm:
        assert (answer.status, answer.text) == (200, first)
    else:
        assert answer.status in {502, 503}
    assert grant(daemon, "one")["parked_at"] is None
    upstream.portal = None

    until(lambda: refresh(daemon).status == 200)
    assert daemon.get("one").text.startswith("at-")
    assert daemon.get("one").text != first


BAD = {
    "429": Answer(status=429, headers={"Retry-After": "1"}, body=b"{}"),
    "500": Answer(status=500, body=b"{}"),
    "502-html": Answer(status=502, content_type="text/html", body=b"<html>bad gateway</html>"),
    "200-html": PORTAL,
    "200-empty": Answer(),
    "200-no-token": Answer(body=b'{"expires_in": 3600}'),
    "cut": Answer(body=b'{"access_token": "at-cut", "expires_in": 3600}', cut=20),
    "reset": Answer(reset=True),
    "hang": Answer(delay=4.0, reset=True),
}


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(bad, id=name, marks=() if name in {"500", "200-html"} else pytest.mark.slow)
        for name, bad in BAD.items()
    ],
)
def test_upstream_misbehaves(daemon: RunningDaemon, upstream: OAuthServer, bad: Answer) -> None:
    """Callers with a valid token notice nothing, and the grant is there when it is over."""
    import_grant(daemon, upstream.grant())
    first = daemon.get("one").text
    # One answer for the mint, and one for its second try where that is right.
    upstream.script += [bad, bad]
    failures = []
    forcing = threading.Thread(target=lambda: failures.append(refresh(daemon)))
    forcing.start()
    waits, meanwhile = [], 0
    while forcing.is_alive() or len(waits) < 30:
        began = time.monotonic()
        answer = daemon.get("one")
        waits.append(time.monotonic() - began)
        meanwhile += forcing.is_alive()
        assert (answer.status, answer.text) == (200, first)
        time.sleep(0.02)
    forcing.join()

    assert failures[0].status in {429, 502, 503, 504}, failures[0].text
    # Behind a mint that hangs there would be one or two until it ended.
    assert meanwhile > 5 or not bad.delay
    assert statistics.median(waits) < 1
    assert daemon.get("one").text == first
    upstream.script.clear()
    until(lambda: refresh(daemon).status == 200)
    fresh = daemon.get("one")
    assert (fresh.status, fresh.text != first) == (200, True)
    assert grant(daemon, "one")["parked_at"] is None
    assert not upstream.families[0].revoked


def test_an_exchange_that_was_cut_off_is_shown(
    daemon: RunningDaemon, upstream: OAuthServer
) -> None:
    """`ambiguous` in status until the first definite answer, with the token that is still valid."""
    import_grant(daemon, upstream.grant())
    first = daemon.get("one").text
    upstream.script += [Answer(reset=True)] * 50
    refresh(daemon)
    shown = cli(daemon, "status")
    told = grant(daemon, "one")

    assert told["state"] == "ambiguous"
    assert told["ambiguous_at"] is not None
    assert re.search(r"^one +oauth +ambiguous ", shown.stdout, re.MULTILINE), shown.stdout
    assert shown.stdout.count("may or may not have worked") == 1
    assert daemon.get("one").text == first
    assert cli(daemon, "status", "--check").returncode == 2
    upstream.script.clear()
    until(lambda: refresh(daemon).status == 200)
    assert grant(daemon, "one")["ambiguous_at"] is None
    assert "ambiguous" not in cli(daemon, "status").stdout


# --- upgraded --------------------------------------------------------------------------------


def test_o3_a_store_of_format_1(start_daemon: DaemonFactory, upstream: OAuthServer) -> None:
    """What an earlier version wrote opens as it is: grants, parked ones, secrets; no new login."""
    upstream.families.append(Family(current="rt-of-format-1", scope="openid offline_access"))
    pinned, late = config(upstream, "one"), config(upstream, "late")
    daemon = start_daemon.prepare(
        pinned.replace('"team"', '"pinned"')
        + late.replace('"team"', '"waiting"')
        + KEY.replace("team-key", "gateway-key")
    )
    put_store(daemon, "format-1")
    daemon.config_file.parent.chmod(0o700)
    daemon.start()

    assert grant(daemon, "one")["account"] == "alice@example.com"
    assert grant(daemon, "one")["rotations"] == 3
    assert daemon.get("one").text.startswith("at-")
    assert daemon.get("key").text == "key-of-format-1"
    assert daemon.get("late").json()["detail"] == (
        '"late" needs a login since 09:14 (invalid_grant): run credward login late'
    )
    assert grant(daemon, "one")["rotations"] == 4
    daemon.kill9()
    daemon.start()
    assert refresh(daemon).status == 200
    assert not upstream.families[0].revoked


# --- below a harness -------------------------------------------------------------------------


@pytest.fixture
def harness(tmp_path: Path) -> Path:
    """Return a shell that is called as an agent harness is."""
    program = tmp_path / "claude"
    shutil.copy("/bin/sh", program)
    return program


def below(
    harness: Path, daemon: RunningDaemon, *words: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    line = " ".join(f"'{each}'" for each in command(*words))
    return subprocess.run(
        [str(harness), "-c", f"{line}; exit $?"],
        env=daemon.environment,
        cwd=daemon.home,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("logout", "one"),
        ("logout", "--all"),
        ("lock",),
        ("unlock",),
        ("daemon", "reload"),
        ("secret", "set", "team-key"),
        ("secret", "rm", "team-key"),
        ("secret", "allow", "team-key"),
        ("login", "one", "--grant-stdin"),
    ],
    ids=" ".join,
)
def test_an_agent_does_not_manage(
    settled: RunningDaemon, harness: Path, words: tuple[str, ...]
) -> None:
    """Whatever it asks for, nothing changes."""
    before = status(settled)["grants"]
    done = below(harness, settled, *words, given="something\n")

    assert (done.returncode, done.stdout) == (77, ""), done.stderr
    assert done.stderr.count("\n") == 1
    assert status(settled)["grants"] == before
    assert json.loads(cli(settled, "secret", "list", "--json").stdout)["names"] == ["team-key"]
    assert settled.get("one").status == 200


@pytest.mark.slow
def test_an_agent_starts_one_login_a_minute(daemon: RunningDaemon, harness: Path) -> None:
    """It may have its user asked, and join what is under way, but not again and again."""
    first = below(harness, daemon, "login", "one", "--no-browser", "--wait", "0")
    joined = below(harness, daemon, "login", "two", "--no-browser", "--wait", "0")
    assert (first.returncode, joined.returncode) == (67, 67), first.stderr + joined.stderr
    assert "joining it" in joined.stderr
    started = daemon.request("POST", "/v1/grants/one/login", body=b"{}").json()
    assert daemon.request("DELETE", f"/v1/logins/{started['login_id']}").status == 202
    again = below(harness, daemon, "login", "three", "--no-browser", "--wait", "0")
    own = cli(daemon, "login", "one", "--no-browser", "--wait", "0")

    assert again.returncode == 75
    assert again.stderr.startswith("credward: a login for ")
    assert "in your own terminal" in again.stderr
    assert own.returncode == 67


def test_a_credential_without_a_login_keeps_what_it_failed_with(
    start_daemon: DaemonFactory,
) -> None:
    """The store that a login opens is nothing to a program that says its user has to log in."""
    program = '\n[credentials.own]\nprovider = "command"\ncommand = ["sh", "-c", "exit 67"]\nlifetime = 60\n'
    daemon = start_daemon(program)
    assert daemon.get("own").kind == "login-required"
    before = daemon.status("own")
    told = cli(daemon, "login", "own")

    assert told.returncode != 0
    assert told.stderr.strip().endswith("then run credward get --fresh own")
    assert daemon.status("own")["failure"] == before["failure"]
    assert daemon.status("own")["state"] == before["state"] == "parked"
