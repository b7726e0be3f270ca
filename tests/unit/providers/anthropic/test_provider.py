"""The three ways to the Claude API, against a stand-in that takes a JWT once."""

from __future__ import annotations

import json
import time

import pytest

from credward.clock import SystemClock
from credward.errors import BrokerError, Kind, Recovery
from credward.providers.anthropic.provider import AnthropicProvider
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.anthropic import Settings
from credward.settings.network import NetworkSettings
from credward.settings.references import Reference
from credward.tokens import Secret
from fakes.anthropic_oauth import ORGANIZATION, RULE, serving
from fakes.io import NOW, FakeIo


@pytest.fixture
def server():
    """Return the stand-in, running."""
    with serving() as running:
        yield running


@pytest.fixture
def jwt_file(tmp_path):
    """Return the path of a private file; its text is written by the test."""
    path = tmp_path / "jwt"
    path.touch(0o600)
    return path


@pytest.fixture
def mint(server):
    """Return what mints for credential `claude` over the real transport, as one daemon does."""
    transport = Transport(NetworkSettings())
    used_up = {}

    def once(*, secrets=None, used_up=used_up, **words):
        settings = Settings(
            **{"federation_rule_id": RULE, "organization_id": ORGANIZATION} | words,
            token_url=server.token_url,
            timeout=5,
        )
        io = WorkerIo(
            Machine(
                clock=SystemClock(),
                now=time.time(),
                environ={"PATH": "/usr/bin:/bin"},
                transport=lambda: transport,
            ),
            credential="claude",
            used_up=used_up,
        )
        request = ProviderRequest(
            credential="claude",
            settings=settings,
            secrets=secrets or {},
            used_proofs=frozenset(used_up),
        )
        return AnthropicProvider().mint(request, io)

    yield once
    transport.close()


def test_exchanges_a_jwt_for_a_token(server, mint, jwt_file):
    """Life is the smaller of the rule's and twice the JWT's rest, as the answer says."""
    jwt_file.write_text(server.sign(life=300) + "\n")
    token = mint(identity_file=str(jwt_file), service_account_id="svac_1", workspace_id="default")

    assert token.secret.reveal() in server.tokens
    assert token.kind == "bearer"
    assert 590 < token.expires_at - token.issued_at <= 600
    assert (sent := server.exchanges[0])["service_account_id"] == "svac_1"
    assert sent["workspace_id"] == "default"
    assert "scope" not in sent


def test_the_jwt_may_come_from_another_credential(server, mint):
    """The daemon mints it and hands it over."""
    token = mint(identity="k8s-jwt", secrets={"identity": Secret(server.sign())})

    assert token.secret.reveal() in server.tokens


def test_the_jwt_may_come_from_a_program(server, mint):
    """A new one at each mint."""
    mint(identity_command=("echo", server.sign()))

    assert len(server.exchanges) == 1


def test_t12_a_jwt_is_presented_once_and_a_new_one_at_once(server, mint, jwt_file):
    """The same file content is not sent again; a rotated file mints."""
    jwt_file.write_text(server.sign())
    mint(identity_file=str(jwt_file))
    with pytest.raises(BrokerError, match="used already and counts only once") as caught:
        mint(identity_file=str(jwt_file))

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert caught.value.failure.recovery is Recovery.RETRY
    assert str(jwt_file) in caught.value.message
    assert len(server.exchanges) == 1
    jwt_file.write_text(server.sign())
    assert mint(identity_file=str(jwt_file)).secret.reveal() in server.tokens


@pytest.mark.parametrize("generation", ["older", "current"])
def test_a_refused_jwt_is_never_presented_again(server, mint, jwt_file, generation):
    """By either generation of refusals."""
    server.generation = generation
    jwt_file.write_text(server.sign(iss="https://elsewhere.example.com"))
    for complaint in ("refused its JWT", "used already"):
        with pytest.raises(BrokerError, match=complaint) as caught:
            mint(identity_file=str(jwt_file))
        assert caught.value.kind is Kind.PROVIDER_REFUSED

    assert len(server.exchanges) == 1


def test_what_was_forgotten_is_learned_from_the_server(server, mint, jwt_file):
    """The end of a JWT is how long it has to be remembered."""
    jwt_file.write_text(server.sign(life=300))
    mint(identity_file=str(jwt_file))

    learned = {}
    with pytest.raises(BrokerError, match="refused its JWT"):
        mint(identity_file=str(jwt_file), used_up=learned)
    ((_, end),) = learned.items()
    assert 200 < end - time.time() <= 300


def test_a_jwt_without_a_jti_may_be_presented_again(server, mint, jwt_file):
    """The vendor exempts it, so there is nothing to remember."""
    jwt_file.write_text(server.sign(jti=None))
    first, second = (mint(identity_file=str(jwt_file)) for _ in range(2))

    assert first.secret.reveal() != second.secret.reveal()


@pytest.mark.parametrize("status", [429, 500, 529])
def test_a_busy_endpoint_does_not_use_the_jwt_up(server, mint, jwt_file, status):
    """The next attempt may present it: nothing says that it was looked at."""
    jwt_file.write_text(server.sign())
    server.status, server.headers = status, {"Retry-After": "3"}
    with pytest.raises(BrokerError) as caught:
        mint(identity_file=str(jwt_file))
    server.status, server.headers = 0, {}

    assert caught.value.failure.retry_after == 3.0
    assert mint(identity_file=str(jwt_file)).secret.reveal() in server.tokens


def test_malformed_is_configuration(server, mint, jwt_file):
    """The JWT is not blamed, and not used up."""
    jwt_file.write_text(server.sign())
    server.needs_workspace, server.generation = True, "older"
    with pytest.raises(BrokerError, match="workspace_id") as caught:
        mint(identity_file=str(jwt_file))

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert mint(identity_file=str(jwt_file), workspace_id="default")


def test_the_vendors_sdk_uses_the_token(server, mint, jwt_file, monkeypatch):
    """The real one, against the stand-in."""
    # Here, for its import takes two seconds.
    import anthropic

    # It reads that bundle itself, and takes none that is empty.
    monkeypatch.delenv("SSL_CERT_FILE")
    jwt_file.write_text(server.sign())
    token = mint(identity_file=str(jwt_file))
    client = anthropic.Anthropic(
        auth_token=token.secret.reveal(), base_url=server.url, max_retries=0
    )
    with client:
        message = client.messages.create(
            model="stand-in", max_tokens=5, messages=[{"role": "user", "content": "hi"}]
        )

    assert message.content[0].text == "hello"


# --- keys and profiles


def ask(io, **words):
    """Mint once without a network."""
    secrets = {name: Secret(words.pop(name)) for name in ("key",) if name in words}
    if secrets:
        words["api_key"] = Reference(store="key")
        secrets = {"api_key": secrets["key"]}
    request = ProviderRequest(credential="claude", settings=Settings(**words), secrets=secrets)
    return AnthropicProvider().mint(request, io)


def test_an_api_key_is_handed_out_as_it_is():
    """No end of it is known."""
    token = ask(FakeIo(), key="sk-ant-api03-x\n")

    assert (token.secret.reveal(), token.kind) == ("sk-ant-api03-x", "api-key")
    assert token.expires_at is None


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("sk-ant-oat01-x", "is an OAuth token, not an API key, maybe a subscription login"),
        ('{"claudeAiOauth": {}}', "subscription login"),
        ("", "not one line"),
        ("two words", "not one line"),
    ],
)
def test_t7_what_is_no_api_key_is_refused(key, complaint):
    """Tokens of subscriptions above all, with the reason."""
    with pytest.raises(BrokerError, match=complaint) as caught:
        ask(FakeIo(), key=key)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def printed(**words):
    whole = {
        "version": "1.0",
        "type": "oauth_token",
        "access_token": "sk-ant-oat01-console",
        "expires_at": int(NOW) + 600,
        "refresh_token": "sk-ant-ort01-x",
    }
    return json.dumps(whole | words).encode()


def test_ant_hands_out_the_token_of_a_profile():
    """It keeps login and refresh; only the access token is taken."""
    io = FakeIo(output=printed())
    token = ask(io, profile="work", ant="~/go/bin/ant")

    assert token.secret.reveal() == "sk-ant-oat01-console"
    assert token.expires_at == int(NOW) + 600
    assert io.commands == [
        (("~/go/bin/ant", "auth", "print-credentials"), {"ANTHROPIC_PROFILE": "work"}, 30.0)
    ]


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        # A failed refresh of ant prints the old one and exits 0.
        (printed(expires_at=int(NOW)), "expired already"),
        (printed(expires_at=int(NOW) * 1000), "more than ten years"),
        (printed(expires_at="2026-01-01T00:00:00Z"), "no credentials"),
        (printed(access_token=""), "no token of Anthropic"),
        (b"sk-ant-oat01-x", "no credentials"),
        (b"", "no credentials"),
    ],
)
def test_t7_what_ant_prints_is_checked(output, complaint):
    """With the command that logs in again."""
    with pytest.raises(BrokerError, match=complaint) as caught:
        ask(FakeIo(output=output), profile="work")

    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert "run ant --profile work auth login" in caught.value.message


def test_a_failing_ant_is_classified():
    """As any program."""
    with pytest.raises(BrokerError, match='program "ant" failed'):
        ask(FakeIo(exit_code=1), profile="work")


def test_nothing_is_narrowed():
    """The rule or the key decides; a promise that cannot be kept is refused."""
    settings = Settings(api_key=Reference(store="key"))
    for asked in ({"scopes": ("a",)}, {"audience": "a"}):
        request = ProviderRequest(credential="claude", settings=settings, **asked)
        with pytest.raises(BrokerError, match="cannot be narrowed"):
            AnthropicProvider().mint(request, FakeIo())
