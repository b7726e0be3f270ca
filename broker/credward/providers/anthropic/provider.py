"""The Claude API's credentials: workload identity federation, a Console profile of `ant`, API keys.

Chooses the way and judges what came; the exchange itself is `exchange`. Subscription
logins of Claude.ai are never read, stored, refreshed or relayed.
"""

from __future__ import annotations

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.anthropic.assertion import read_assertion
from credward.providers.anthropic.exchange import (
    build_http_request,
    read_http_response,
    used_up,
)
from credward.providers.exit_codes import refuse_failure
from credward.providers.provider import Io, ProviderRequest
from credward.providers.references import read_secret
from credward.settings.anthropic import Settings
from credward.settings.subscriptions import may_be_subscription
from credward.tokens import Secret, Token

__all__ = ["AnthropicProvider"]

# Beyond this they are milliseconds instead of seconds (seconds).
_HORIZON = 315_360_000.0


class AnthropicProvider:
    """Mints by exchange, by `ant`, or by reading a key."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Mint in the one way that the settings name."""
        settings = token_request.settings
        assert isinstance(settings, Settings)
        if token_request.scopes or token_request.audience:
            raise _misconfigured(
                token_request.credential,
                "cannot be narrowed, its rule or key decides: remove serve from its table",
            )
        if settings.api_key is not None:
            return _read_key(token_request, settings, io)
        if settings.profile is not None:
            return _ask_ant(token_request.credential, settings, io)
        return _exchange(token_request, settings, io)


def _exchange(token_request: ProviderRequest, settings: Settings, io: Io) -> Token:
    """Present the JWT of this moment, once.

    One without a definite answer may be tried again: nobody knows whether it was checked.
    """
    name = token_request.credential
    where = settings.assertion.describe()
    text = _read_assertion(token_request, settings, io)
    now = io.now()
    assertion = read_assertion(name, text, where, now)
    if assertion.digest in token_request.used_proofs:
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{name}" got no token, the JWT in {where} was used already and counts only once '
            "(jti): waiting for a new one there",
            hint="another credential may use the same source: each needs JWTs of its own",
        )
    answer = io.send(build_http_request(settings, text))
    if assertion.digest is not None and used_up(answer):
        io.use_up(assertion.digest, assertion.expires_at)
    return read_http_response(name, settings, answer, now)


def _read_assertion(token_request: ProviderRequest, settings: Settings, io: Io) -> str:
    """Return the JWT, read now; all three keys for it become one reference."""
    as_identity = msgspec.structs.replace(
        settings, identity=settings.assertion, identity_file=None, identity_command=None
    )
    asked = msgspec.structs.replace(token_request, settings=as_identity)
    return read_secret(asked, "identity", io, timeout=settings.timeout).reveal().strip()


def _read_key(token_request: ProviderRequest, settings: Settings, io: Io) -> Token:
    """Return an API key as it is; it has no known end."""
    name = token_request.credential
    key = read_secret(token_request, "api_key", io, timeout=settings.timeout).reveal().strip()
    if may_be_subscription(key):
        raise _misconfigured(
            name,
            "is an OAuth token, not an API key, maybe a subscription login, which Anthropic's "
            "terms allow only in its own applications: "
            "use a Console API key, federation or profile",
        )
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise _misconfigured(name, "is not one line of printable ASCII: store only the key there")
    return Token(secret=Secret(key), kind="api-key", issued_at=io.now(), expires_at=None)


def _ask_ant(name: str, settings: Settings, io: Io) -> Token:
    """Have `ant auth print-credentials` hand out the token of a Console profile.

    `ant` owns login and refresh. It prints the old token, with success, when its refresh failed
    (source of ant 1.20): so the end is checked here.
    """
    assert settings.profile is not None
    now = io.now()
    result = io.run_command(
        (settings.ant, "auth", "print-credentials"),
        env={"ANTHROPIC_PROFILE": settings.profile},
        timeout=settings.timeout,
    )
    refuse_failure(name, settings.ant, result)
    try:
        answer = msgspec.json.decode(result.output, type=_AntCredentials)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _ant_failure(name, settings, "printed no credentials") from error
    if not answer.access_token.startswith("sk-ant-") or not answer.access_token.isprintable():
        raise _ant_failure(name, settings, "printed no token of Anthropic")
    if answer.expires_at <= now:
        raise _ant_failure(name, settings, "printed a token that has expired already")
    if answer.expires_at > now + _HORIZON:
        raise _ant_failure(name, settings, "printed a token that expires in more than ten years")
    return Token(
        secret=Secret(answer.access_token), issued_at=now, expires_at=float(answer.expires_at)
    )


class _AntCredentials(msgspec.Struct, frozen=True):
    """The file of a profile as `ant` prints it; the refresh token in it is not even read."""

    access_token: str
    expires_at: int

    def __repr__(self) -> str:
        return "_AntCredentials(***)"


def _ant_failure(name: str, settings: Settings, what: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{name}" got no token, program "{settings.ant}" {what}: '
        f"run {settings.ant} --profile {settings.profile} auth login",
        sent="maybe",
    )


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}')
