"""What a request means under the configuration: which credential, which key, how long.

Pure functions; `gate` decides who asks and whether they may.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NoReturn

from credward.callers.caller import Caller
from credward.callers.programs import CLAUDE_CODE
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.formats.registry import least_remaining
from credward.guess import guess, nearest
from credward.lifecycle.vocabulary import TokenKey
from credward.tokens import TokenRequest

__all__ = [
    "DEFAULT_NAME",
    "NOTHING",
    "asker",
    "cache_ttl",
    "default_credential",
    "find_credential",
    "find_on_grant",
    "min_remaining",
    "on_grant",
    "set_up_instead",
    "settling",
    "token_key",
]

# On the wire it means "the default of the configuration"; no credential can have this name.
DEFAULT_NAME = "-"
# The format of a request that gets no token: a status, a refresh, what owners do.
NOTHING = "-"
# The formats that an agent asks for itself: apiKeyHelper, headersHelper, exec hooks,
# awsCredentialExport.
_BY_HOOKS = frozenset({"token", "headers", "json", "aws-export"})
# Those that the AWS SDK in it asks for: from 2.1.207 on, Claude Code keeps the keys until shortly
# before their end, and asks again if Amazon refused them. Its other SDKs say nothing: that of
# Google asks before each request, that of Azure not even after a refusal (2.1.197 to 2.1.332).
_AT_ENDPOINTS = frozenset({"aws-container", "aws-imds"})
_BY_SDKS = _AT_ENDPOINTS | {"aws-process"}
_OF_AGENTS = _BY_HOOKS | _BY_SDKS
# At its start such an agent makes several clients, and looks for models with each (seconds).
_SETTLING = 12.0
# Claude Code keeps a helper's answer this long by default (as documented).
_CLAUDE_CACHE_TTL = 300.0
# Beyond the cache time: 30 s in which Claude Code asks again anyway, 600 s for one long turn.
_TURN_MARGIN = 630.0


def find_credential(config: Config, name: str, *, by_claude_code: bool = False) -> CredentialConfig:
    """Return the credential of this name; `-` is the configured default, or the only one.

    *by_claude_code*: the name is from its settings.
    """
    if name == DEFAULT_NAME:
        return default_credential(config) or _choose(config, by_claude_code=by_claude_code)
    if (found := config.credentials.get(name)) is not None:
        return found
    remedy = set_up_instead(name, config) if by_claude_code else "run credward status for the list"
    raise BrokerError(
        Kind.UNKNOWN_CREDENTIAL,
        f'"{name}" is not configured{guess(name, config.credentials)}: {remedy}',
    )


def set_up_instead(name: str, config: Config) -> str:
    """Return what corrects the settings of Claude Code that ask for *name*, which is unknown."""
    if (near := nearest(name, config.credentials)) is not None:
        return f"run credward setup claude-code {near}"
    if not config.credentials:
        return "run credward add, or credward setup claude-code --undo"
    return "run credward setup claude-code NAME with a name from credward status"


def find_on_grant(config: Config, name: str) -> CredentialConfig:
    """Return the credential called *name*, else the first on the grant of that name."""
    if (found := config.credentials.get(name)) is not None:
        return found
    grants: dict[str, CredentialConfig] = {}
    for each in config.credentials.values():
        grants.setdefault(each.grant, each)
    if name in grants:
        return grants[name]
    meant = guess(name, [*config.credentials, *grants])
    raise BrokerError(
        Kind.UNKNOWN_CREDENTIAL,
        f'"{name}" is neither a credential nor a grant{meant}: run credward status for the list',
    )


def on_grant(name: str) -> TokenRequest:
    """Return a request of an owner for a grant or a credential on it; it gets no token."""
    return TokenRequest(credential=name, format=NOTHING)


def token_key(credential: CredentialConfig, token_request: TokenRequest) -> TokenKey:
    """Return the token key; an audience or scope that the caller chooses must be in `serve`."""
    audience = token_request.audience
    if audience is not None and audience not in credential.audiences:
        raise _not_served(credential, "audience", audience)
    scopes = tuple(sorted(set(token_request.scopes))) if token_request.scopes else ()
    for each in scopes:
        if each not in credential.scopes:
            raise _not_served(credential, "scope", each)
    return TokenKey(credential.name, credential.epoch, audience, scopes)


def cache_ttl(token_request: TokenRequest, caller: Caller) -> float | None:
    """Return how long the caller will keep the answer, None if unknown."""
    if token_request.cache_ttl is not None:
        return token_request.cache_ttl
    if caller.harness == CLAUDE_CODE and token_request.format in _OF_AGENTS:
        return _CLAUDE_CACHE_TTL
    return None


def min_remaining(token_request: TokenRequest, ttl: float | None) -> float:
    """Return the wanted life: as asked, else the caller's cache time plus one long turn.

    *ttl* is the result of `cache_ttl`. Without a cache time in the request, that of a helper is
    meant only in the format of apiKeyHelper. Never less than clients of the format need.
    """
    if token_request.min_remaining is not None:
        return token_request.min_remaining
    least = least_remaining(token_request.format)
    if ttl is None or (token_request.cache_ttl is None and token_request.format != "token"):
        return least
    return max(least, ttl + _TURN_MARGIN)


def asker(token_request: TokenRequest, caller: Caller) -> Hashable | None:
    """Return who means "rejected" by an early second request: an agent, in a format of its own.

    Each of its MCP servers is a separate asker. Requests of an agent's tools mean nothing here; at
    an endpoint nobody says that a tool asks, so there it must be the agent's own process.
    """
    if (
        token_request.format not in _OF_AGENTS
        or (token_request.in_tool and token_request.mcp_server is None)
        or caller.harness is None
        or caller.agent is None
        or not caller.attested
        or (token_request.format in _AT_ENDPOINTS and caller.agent.pid != caller.pid)
    ):
        return None
    agent = (caller.agent.pid, caller.agent.start_time)
    return (*agent, token_request.format, token_request.mcp_server)


def settling(token_request: TokenRequest) -> float:
    """Return for how many seconds after its first answer an asker's asks mean nothing."""
    return _SETTLING if token_request.format in _BY_SDKS else 0.0


def default_credential(config: Config) -> CredentialConfig | None:
    """Return what `-` means: the configured default, or the only one; None if neither exists."""
    if config.default is not None:
        return config.credentials[config.default]
    if len(config.credentials) == 1:
        return next(iter(config.credentials.values()))
    return None


def _choose(config: Config, *, by_claude_code: bool) -> NoReturn:
    if not config.credentials:
        raise BrokerError(
            Kind.UNKNOWN_CREDENTIAL,
            "no credential is configured: run credward add NAME --provider PROVIDER",
        )
    names = ", ".join(sorted(config.credentials))
    text = f"name one of {names}, or run credward use NAME to choose one"
    if by_claude_code:
        # Its settings leave the name to the choice, so there is nothing to name.
        text = f"no credential is chosen here: run credward use NAME with one of {names}"
    raise BrokerError(Kind.BAD_REQUEST, text)


def _not_served(credential: CredentialConfig, what: str, value: str) -> BrokerError:
    # The value came from outside: shown, but cut to a length and without control characters.
    shown = "".join(each for each in value[:100] if each.isprintable())
    return BrokerError(
        Kind.BAD_REQUEST,
        f'"{credential.name}" does not serve {what} "{shown}": '
        f"add it to serve.{what}s in {credential.origin}",
    )
