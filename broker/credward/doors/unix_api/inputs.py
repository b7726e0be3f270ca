"""What callers send besides the path: query values and JSON bodies, checked before use.

Unknown names and fields are ignored; a wrong value for a known one is `bad-request`, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from credward import wire
from credward.errors import BrokerError, Kind
from credward.folder import MEDIA_TYPE
from credward.policy.claude_settings import read_folder
from credward.policy.client_variables import Claims, read_claims
from credward.tokens import ClientFlag, Folder, TokenRequest

__all__ = [
    "DEFAULT_TIMEOUT",
    "check_format_name",
    "check_name",
    "check_secret_name",
    "is_plain",
    "number",
    "read_body",
    "read_folder_claim",
    "read_timeout",
    "read_token_request",
    "read_token_requests",
    "text",
]

DEFAULT_TIMEOUT = 4.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}|-")
_FORMAT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{1,64}")
_FLAG = re.compile(r"[a-z0-9-]{1,32}(=[A-Za-z0-9.:_\[\]-]{1,320})?")
# What most callers send: only names of their variables, and numbers of a few digits.
_PLAIN_PATH = re.compile(
    rb"/v1/credentials/[A-Za-z0-9._-]{1,64}(,[A-Za-z0-9._-]{1,64}){0,7}/[a-z0-9-]{1,32}"
)
_PLAIN_PAIR = re.compile(
    rb"(timeout|min_remaining|cache_ttl)=[0-9.]{1,19}"
    rb"|variables=([A-Za-z_]{1,64}(=[0-9]{1,12})?(,|$))*"
)
# No sign, no exponent, no NaN: `float` accepts these, but they are not durations.
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_LONGEST_LIFE = 366 * 86_400.0
_LONGEST_WAIT = 900.0
_LONGEST_TEXT = 2048
# More headers than that fill no request.
_MOST_NAMES = 8

# A caller that sends nothing, not even "nothing is set", has not said where a token will go.
_NO_CLAIMS = Claims(variables={}, base_url=None)

_S = TypeVar("_S", bound=msgspec.Struct)


def is_plain(target: bytes) -> bool:
    """Return whether this request target certainly holds no secret."""
    path, _, query = target.partition(b"?")
    return _PLAIN_PATH.fullmatch(path) is not None and all(
        _PLAIN_PAIR.fullmatch(pair) for pair in query.split(b"&") if pair
    )


def check_name(name: str) -> str:
    """Return *name* if it can be the name of a credential; paths and hosts cannot."""
    if _NAME.fullmatch(name) is None:
        raise BrokerError(
            Kind.UNKNOWN_CREDENTIAL,
            "the name is not valid for a credential: run credward status for the list",
        )
    return name


def check_secret_name(name: str) -> str:
    """Return *name* if it can be the name of a secret in the store."""
    if name == "-" or _NAME.fullmatch(name) is None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            "the name of a secret has at most 64 letters, digits, dots, dashes and underscores: "
            "run credward secret set NAME",
        )
    return name


def check_format_name(name: str) -> str:
    """Return *name* if it can be the name of a format."""
    if _FORMAT.fullmatch(name) is None:
        raise BrokerError(
            Kind.BAD_REQUEST, "the name is not valid for a format: use token, json, ..."
        )
    return name


def number(query: Mapping[str, str], name: str, *, most: float) -> float | None:
    """Return the seconds called *name*, None when absent."""
    text = query.get(name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None or float(text) > most:
        raise BrokerError(
            Kind.BAD_REQUEST, f"{name} is not a number of seconds between 0 and {most:.0f}"
        )
    return float(text)


def read_timeout(query: Mapping[str, str], default: float = DEFAULT_TIMEOUT) -> float:
    """Return how long the caller waits."""
    timeout = number(query, "timeout", most=_LONGEST_WAIT)
    return default if timeout is None else timeout


def read_folder_claim(
    body: bytes | bytearray, headers: Mapping[str, str], home: PurePath | None
) -> Folder | None:
    """Return what a caller sends about its folder, or None.

    A body of another media type is an error: its sender believes that we read it.
    Source: RFC 9110, 8.3.1 (type and subtype in any case, parameters behind them).
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        if body:
            raise BrokerError(
                Kind.BAD_REQUEST, f"body is not a {MEDIA_TYPE}: send that, or no body"
            )
        return None
    try:
        return read_folder(body, home=home)
    except ValueError as error:
        raise BrokerError(Kind.BAD_REQUEST, f"body is not a {MEDIA_TYPE}: {error}") from error


def read_token_request(
    name: str, format_name: str, query: Mapping[str, str], folder: Folder | None = None
) -> TokenRequest:
    """Return what is asked for."""
    if not query and folder is None:
        return TokenRequest(credential=check_name(name), format=check_format_name(format_name))
    words = [word for word in query.get("client_flags", "").split(",") if word]
    if not all(_FLAG.fullmatch(word) for word in words):
        raise BrokerError(Kind.BAD_REQUEST, "client_flags is not a list of words")
    flags = frozenset(ClientFlag(word=word) for word in words)
    told = query.get("variables")
    claims = _NO_CLAIMS if told is None else read_claims(told)
    if folder is not None and told is not None:
        # If the body holds them too, it is from an older helper, or the same.
        folder = replace(folder, variables=tuple(claims.variables.items()))
    cache_ttl = number(query, "cache_ttl", most=_LONGEST_LIFE)
    if cache_ttl is None and format_name == "token" and claims.cache_ttl is not None:
        cache_ttl = min(claims.cache_ttl, _LONGEST_LIFE)
    return TokenRequest(
        credential=check_name(name),
        format=check_format_name(format_name),
        audience=text(query, "audience"),
        scopes=tuple((text(query, "scope") or "").split()),
        min_remaining=number(query, "min_remaining", most=_LONGEST_LIFE),
        cache_ttl=cache_ttl,
        timeout=read_timeout(query),
        client_base_url=text(query, "client_base_url") or _bounded(claims.base_url),
        environment_base_url=None if told is None else (_bounded(claims.base_url),),
        client_flags=flags | claims.flags,
        client_switches=claims.switches,
        folder=folder,
        variables_told=bool(told),
        in_tool=claims.in_tool or query.get("in_tool") == "1",
        mcp_server=_digest(query, "mcp_server"),
        other_than=_digest(query, "not"),
    )


def read_token_requests(
    names: str, format_name: str, query: Mapping[str, str], folder: Folder | None = None
) -> list[TokenRequest]:
    """Return what is asked for with several *names*, joined by commas: the same of each."""
    found = names.split(",")
    if len(found) > _MOST_NAMES:
        raise BrokerError(
            Kind.BAD_REQUEST, f"more than {_MOST_NAMES} credentials are named: name fewer"
        )
    first = read_token_request(found[0], format_name, query, folder)
    return [replace(first, credential=check_name(each)) for each in found]


def _bounded(base_url: str | None) -> str | None:
    """Return an address from the caller's environment; never quote it: it may hold a secret."""
    if base_url is not None and len(base_url) > _LONGEST_TEXT:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f"the base URL is longer than {_LONGEST_TEXT} characters: set a shorter one",
        )
    return base_url


def _digest(query: Mapping[str, str], name: str) -> str | None:
    """Return a one-way name, such as the header `Token-Id`."""
    text = query.get(name)
    if text is not None and _DIGEST.fullmatch(text) is None:
        raise BrokerError(
            Kind.BAD_REQUEST, f"{name} is not a digest of up to 64 hexadecimal digits"
        )
    return text


def text(query: Mapping[str, str], name: str) -> str | None:
    """Return what *name* says, None when absent or empty."""
    found = query.get(name)
    if found is not None and len(found) > _LONGEST_TEXT:
        raise BrokerError(Kind.BAD_REQUEST, f"{name} is longer than {_LONGEST_TEXT} characters")
    return found or None


def read_body(body: bytes | bytearray, shape: type[_S]) -> _S:
    """Return the JSON *body* as *shape*; an empty one means all defaults."""
    return wire.decode(body, shape) if body else shape()
