"""A grant goes to the server and client that it is of, whatever the configuration says later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.oauth_server import OAuthServer
from integration.command_line import cli, status
from integration.daemon import DaemonFactory, RunningDaemon
from marks import slow

CONFIG = """
[policy]
directory = "{policies}"
[grants.shared]
issuer = "{issuer}"
client_id = "{client}"
{more}
[credentials.gateway]
provider = "{provider}"
grant = "shared"
"""


BLOCK = """
[credentials.gateway]
provider = "oauth"
issuer = "{issuer}"
client_id = "{client}"
"""


class World:
    """A daemon on a grant of *good*, and somebody who edits its configuration."""

    def __init__(self, daemon: RunningDaemon, folder: Path, good: OAuthServer) -> None:
        self.daemon, self.good, self._folder = daemon, good, folder

    def text(
        self, issuer: str, *, client: str = "client-1", provider: str = "oauth", more: str = ""
    ) -> str:
        return CONFIG.format(
            policies=self._folder, issuer=issuer, client=client, provider=provider, more=more
        )

    def edit(self, text: str) -> None:
        self.daemon.write_config(text)
        assert self.daemon.request("POST", "/v1/reload").status == 200

    def import_grant(self) -> None:
        assert self.daemon.hand_over("shared", self.good.grant()).status == 200


@pytest.fixture
def evil() -> Iterator[OAuthServer]:
    with OAuthServer() as server:
        yield server


@pytest.fixture
def world(start_daemon: DaemonFactory, tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "policies"
    folder.mkdir()
    # Below an agent, where tests may run, managing is denied by what ships.
    (folder / "all.cedar").write_text('@id("all") permit (principal, action, resource);\n')
    with OAuthServer() as good:
        daemon = start_daemon(World(None, folder, good).text(good.issuer))  # type: ignore[arg-type]
        world = World(daemon, folder, good)
        world.import_grant()
        assert daemon.get("gateway").status == 200
        yield world


def posted(server: OAuthServer) -> list[dict[str, str]]:
    return [each.form for each in server.log if each.method == "POST"]


@pytest.mark.parametrize("what", ["issuer", "token_endpoint", "client"])
@pytest.mark.parametrize("restart", [False, *slow(True)], ids=["reload", "restart"])
def test_another_server_under_the_same_name(
    world: World, evil: OAuthServer, what: str, restart: bool
) -> None:
    """Is sent nothing; back at the old one, the grant is as good as before, without a login."""
    changed = {
        "issuer": world.text(evil.issuer),
        "token_endpoint": world.text(
            world.good.issuer, more=f'token_endpoint = "{evil.issuer}/token"'
        ),
        "client": world.text(world.good.issuer, client="client-2"),
    }[what]
    before = len(posted(world.good))
    if restart:
        world.daemon.stop()
        world.daemon.write_config(changed)
        world.daemon.start()
    else:
        world.edit(changed)

    asked = world.daemon.get("gateway")

    assert (asked.status, asked.kind) == (401, "login-required")
    assert "another server or client" in asked.text
    assert posted(evil) == []
    assert len(posted(world.good)) == before
    world.edit(world.text(world.good.issuer))
    assert world.daemon.get("gateway").status == 200


@pytest.mark.parametrize("what", ["issuer", "revocation_endpoint"])
def test_revoking_at_another_server(world: World, evil: OAuthServer, what: str) -> None:
    """Forgotten here, not told to whoever the configuration names now, and said so."""
    changed = {
        "issuer": world.text(evil.issuer),
        "revocation_endpoint": world.text(
            world.good.issuer, more=f'revocation_endpoint = "{evil.issuer}/revoke"'
        ),
    }[what]
    world.edit(changed)

    done = world.daemon.request("POST", "/v1/grants/shared/logout").json()

    assert not done["revoked"]
    assert "another server or client" in done["message"]
    assert posted(evil) == []


def test_a_new_login_at_the_new_server(world: World, evil: OAuthServer) -> None:
    """Its grant takes the place of the old one, which goes nowhere."""
    world.edit(world.text(evil.issuer))
    assert world.daemon.get("gateway").status == 401
    assert world.daemon.hand_over("shared", evil.grant()).status == 200

    assert world.daemon.get("gateway").status == 200
    known = {family.current for family in evil.families} | {
        used for family in evil.families for used in family.used
    }
    assert {form["refresh_token"] for form in posted(evil)} <= known


def test_a_wrong_letter_is_corrected_before_a_login_is_forgotten(
    start_daemon: DaemonFactory, evil: OAuthServer
) -> None:
    """The way back comes first, at the reload and after a restart; the login is still there then."""
    right = BLOCK.format(issuer=evil.issuer, client="client-1")
    daemon = start_daemon(right)
    assert daemon.hand_over("gateway", evil.grant()).status == 200
    daemon.write_config(right.replace("client-1", "cliemt-1"))
    told = [daemon.request("POST", "/v1/reload").json()["warnings"]]
    daemon.stop()
    daemon.start()
    told.append(status(daemon)["warnings"])
    daemon.write_config(right)
    told.append(daemon.request("POST", "/v1/reload").json()["warnings"])

    for (line,) in told[:2]:
        way_back, logout = (
            line.index("correct issuer or client_id in"),
            line.index("run credward logout"),
        )
        assert way_back < logout
        assert '"gateway" needs a new one' in line
    assert told[2] == []
    assert daemon.get("gateway").status == 200


@pytest.mark.parametrize("words", [("logout", "--all"), *slow(("logout", "shared"))])
def test_a_login_that_no_credential_uses_is_forgotten(
    world: World, evil: OAuthServer, words: tuple[str, ...]
) -> None:
    """It is shown, forgotten and not sent elsewhere; its settings come back without a login."""
    elsewhere = world.text(evil.issuer).replace("shared", "other")
    world.edit(elsewhere)
    warned = cli(world.daemon, "status").stdout
    assert "run credward logout shared to forget it" in " ".join(warned.split())
    done = cli(world.daemon, *words)

    assert done.returncode == 0, done.stderr
    assert "logged out: shared of alice@example.com (no credential used it)\n" in done.stdout
    assert '"shared" was not revoked, no credential names its server' in done.stderr
    assert posted(evil) == []
    assert "no credential uses it" not in cli(world.daemon, "status").stdout
    world.edit(world.text(world.good.issuer))
    assert world.daemon.get("gateway").status == 401


def test_a_login_that_no_credential_uses_is_revoked_where_it_is_of(world: World) -> None:
    """By a credential with the same server and client, whatever the name of its grant."""
    world.edit(world.text(world.good.issuer).replace("shared", "other"))
    done = cli(world.daemon, "logout", "--revoke", "shared")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("logged out: shared of alice@example.com (no credential used it)")
    assert done.stdout.endswith(", revoked upstream\n")
    assert world.good.families[0].revoked
