"""Mints, logins and revocations against a strict server on loopback."""

from __future__ import annotations

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.providers.oauth import OAuthProvider
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from credward.settings.oauth import Settings
from credward.tokens import Secret
from fakes.io import NOW
from fakes.login_io import FakeLoginIo, follow_once
from fakes.oauth_server import Answer, OAuthServer

USER = {"client_id": "client-1", "scope": "openid offline_access"}


@pytest.fixture
def server():
    with OAuthServer() as running:
        yield running


@pytest.fixture
def io():
    """Return the world of a login, over the real transport."""
    transport = Transport(NetworkSettings())
    yield FakeLoginIo(
        server=lambda request: transport.send(request, credential="gateway"), user=follow_once
    )
    transport.close()


def request(server, *, grant=None, audience=None, scopes=(), secrets=None, **words):
    """Return a request for credential `gateway` at this server."""
    words = {"issuer": server.issuer, **USER, **words}
    return ProviderRequest(
        credential="gateway",
        settings=msgspec.convert(words, Settings),
        audience=audience,
        scopes=scopes,
        grant=None if grant is None else Secret(grant),
        secrets={name: Secret(value) for name, value in (secrets or {}).items()},
    )


def mint(server, io, **words):
    return OAuthProvider().mint(request(server, **words), io)


def test_a_refresh_keeps_the_rotated_token_first(server, io):
    """Saved before the token that came with it is returned; the next mint uses it."""
    first = server.grant()

    token = mint(server, io, grant=first)
    (kept,) = io.grants
    again = mint(server, io, grant=kept.secret.reveal())

    assert token.secret.reveal().startswith("at-")
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 3600)
    assert kept.secret.reveal() != first
    assert kept.account == "alice@example.com"
    assert again.secret.reveal() != token.secret.reveal()


def test_t8_without_a_refresh_token_the_old_one_is_kept(server, io):
    """Nothing is saved, so nothing is replaced."""
    server.rotates = False
    grant = server.grant()

    mint(server, io, grant=grant)
    mint(server, io, grant=grant)

    assert io.grants == []


def test_t9_a_used_refresh_token_needs_a_login(server, io):
    """The server revokes the whole grant; the message is one command."""
    first = server.grant()
    mint(server, io, grant=first)

    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant=first)

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert caught.value.sent == "no"
    assert caught.value.message == (
        '"gateway" needs a login (invalid_grant): run credward login gateway'
    )
    assert len(io.grants) == 1


def test_without_a_grant_nothing_is_dialled(server, io):
    """Nobody has logged in yet."""
    with pytest.raises(BrokerError, match="needs a login: run credward login gateway"):
        mint(server, io)
    assert server.log == []


def test_a_rotated_token_is_kept_though_the_token_is_useless(server, io):
    """Else the next attempt would present a used one; what happened to the grant is certain."""
    server.extra = {"expires_in": -5}

    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant=server.grant())

    assert (caught.value.kind, caught.value.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert io.grants[0].secret.reveal() == server.families[0].current


def test_a_login_by_browser(server, io):
    """PKCE, state, nonce and the issuer in the redirect; then a mint and a revocation."""
    grant = OAuthProvider().login(request(server), io, "browser")
    token = mint(server, io, grant=grant.secret.reveal())
    OAuthProvider().revoke(request(server, grant=io.grants[-1].secret.reveal()), io)

    assert grant.account == "alice@example.com"
    assert token.expires_at == NOW + 3600
    assert server.families[0].revoked


def test_a_login_by_device_code(server, io):
    """As slowly as the server wants."""
    server.device_script = ["authorization_pending", "slow_down", "authorization_pending"]

    grant = OAuthProvider().login(request(server, grant_type="device_code"), io, "device")

    assert grant.secret.reveal() == server.families[0].current
    assert io.codes == [
        ("ABCD-EFGH", f"{server.issuer}/activate", f"{server.issuer}/activate?user_code=ABCD-EFGH")
    ]
    assert io.waits == [2, 2, 7, 7]


def test_t9_a_lost_answer_may_have_rotated(server, io):
    """The connection ends after the server did its work: sent is "maybe", nothing is saved."""
    server.script = [Answer(reset=True, after=True)]

    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant=server.grant())

    assert (caught.value.kind, caught.value.sent) == (Kind.PROVIDER_UNREACHABLE, "maybe")
    assert io.grants == []
