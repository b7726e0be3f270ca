"""What a caller reports of its environment: which variables, in which format, what follows.

Pure. Callers, the helper (`claims.c`) and `credward get`, know only the names; `destinations` knows
where a client goes with these variables. All of these are claims that can only deny.

The format is a list with commas: `NAME=VALUE`, the value percent-encoded, or only `NAME` to say
that the variable is set. An empty value counts as not set. The value of a proxy is its address
without user and password; it is left out if the address is unclear. That of a file of authorities
is `DIGEST:PATH`: the caller sees the file that its agent uses, the daemon maybe another one in that
place, or none. The digest (SHA-256, hexadecimal) of an unreadable file is empty. Of SSL_CERT_DIR
there is only the path: a digest of many files would change with each renewal of any.

Claude Code (2.1.332, native, seen with strace) opens NODE_EXTRA_CA_CERTS, SSL_CERT_FILE and each
file in SSL_CERT_DIR, not NIX_SSL_CERT_FILE, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE. Without them it
opens the system's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote_to_bytes

import msgspec

from credward.policy.destinations import VARIABLES, claimed, switched_on, trimmed
from credward.settings.client_flags import authority_word, is_the_systems, proxy_address, proxy_word
from credward.tokens import ClientFlag

__all__ = [
    "CERTIFICATES",
    "CERTIFICATE_FOLDER",
    "PROXIES",
    "TLS",
    "VARIABLES_HEADER",
    "Claims",
    "as_used",
    "authorities",
    "mcp_server",
    "must_be_judged",
    "read_claims",
    "told",
]

# In an answer: the daemon checked the reported variables.
VARIABLES_HEADER = "Credward-Variables"

TLS, _CACHE_TTL, _TOOL = (
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
    "CLAUDECODE",
)
PROXIES = (
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"),
    *("CLAUDE_CODE_HTTPS_PROXY", "CLAUDE_CODE_HTTP_PROXY"),
)
CERTIFICATES = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")
CERTIFICATE_FOLDER = "SSL_CERT_DIR"
_WITH_VALUE = (*VARIABLES, TLS, _CACHE_TTL)
_NO_DIGESTS: Mapping[str, str] = MappingProxyType({})
# A daemon that does not check these would know too little to deny.
_DECIDING = frozenset({*VARIABLES, TLS, *PROXIES, *CERTIFICATES, CERTIFICATE_FOLDER})
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_NUMBER = 12


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a caller's report; *variables* say where requests go, and with what.

    *base_url* is where they go, None if that is not clear; *switches* are the variables that choose
    a cloud instead of the usual address; *cache_ttl* is in seconds.
    """

    variables: Mapping[str, str]
    base_url: str | None
    switches: tuple[str, ...] = ()
    flags: frozenset[ClientFlag] = frozenset()
    cache_ttl: float | None = None
    in_tool: bool = False

    def __repr__(self) -> str:
        return f"Claims({sorted(each.word for each in self.flags)})"


def told(environ: Mapping[str, str], digests: Mapping[str, str] = _NO_DIGESTS) -> str:
    """Return the report of *environ*; *digests* are those of its files of authorities, by path."""
    values = {name: environ[name] for name in _WITH_VALUE if environ.get(name)}
    values |= {name: proxy_address(environ[name]) for name in PROXIES if environ.get(name)}
    for name in CERTIFICATES:
        if path := environ.get(name):
            values[name] = f"{digests.get(path, '')}:{path}"
    if folder := environ.get(CERTIFICATE_FOLDER):
        values[CERTIFICATE_FOLDER] = folder
    if environ.get(_TOOL):
        values[_TOOL] = ""
    return ",".join(f"{name}={_quoted(each)}" if each else name for name, each in values.items())


def must_be_judged(text: str) -> bool:
    """Return whether to refuse a token from a daemon that did not check this."""
    return any(name in _DECIDING for name, _ in _items(text))


def read_claims(text: str) -> Claims:
    """Return what follows; unknown names are ignored, because the caller may be newer."""
    if not text:
        return _NOTHING
    items = dict(_items(text))
    variables = {name: items[name] for name in VARIABLES if items.get(name)}
    variables |= {name: items[name] for name in CERTIFICATES if name in items}
    return Claims(
        variables=variables,
        base_url=claimed(variables),
        switches=switched_on(variables),
        flags=frozenset(_flags(items)),
        cache_ttl=_seconds(items.get(_CACHE_TTL, "")),
        in_tool=_TOOL in items,
    )


def mcp_server(environ: Mapping[str, str]) -> str | None:
    """Return what identifies the MCP server that headers are for, or None.

    FNV-1a: it distinguishes servers and hides nothing; we do not send the URL because it may hold a
    secret.
    """
    name = environ.get("CLAUDE_CODE_MCP_SERVER_NAME")
    url = environ.get("CLAUDE_CODE_MCP_SERVER_URL")
    if not name or not url:
        return None
    total = 14695981039346656037
    for byte in os.fsencode(f"{name}\n{url}"):
        total = (total ^ byte) * 1099511628211 % 2**64
    return f"{total:016x}"


def authorities(report: str) -> tuple[str, str]:
    """Return the word for the file of authorities in a *report*, `DIGEST:PATH`, and its path."""
    digest, _, path = report.partition(":")
    return authority_word(digest if _DIGEST.fullmatch(digest) else ""), path


def as_used(name: str, value: str) -> str:
    """Return what counts of *value*: Claude Code trims it, but a path is opened as it is."""
    return value if name in {*CERTIFICATES, CERTIFICATE_FOLDER} else trimmed(value)


def _flags(items: Mapping[str, str]) -> Iterator[ClientFlag]:
    for name in (name for name in PROXIES if name in items):
        yield ClientFlag(word=proxy_word(items[name]), variable=name)
    if items.get(TLS) == "0":
        yield ClientFlag(word="tls-off", variable=TLS)
    for name in (name for name in CERTIFICATES if name in items):
        word, path = authorities(items[name])
        if not is_the_systems(path):
            yield ClientFlag(word=word, variable=name, file=path)
    if CERTIFICATE_FOLDER in items and not is_the_systems(items[CERTIFICATE_FOLDER]):
        yield ClientFlag(word=authority_word(""), variable=CERTIFICATE_FOLDER)


def _items(text: str) -> Iterator[tuple[str, str]]:
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        yield name, as_used(name, unquote_to_bytes(value).decode("utf-8", "replace"))


def _quoted(value: str) -> str:
    return quote(os.fsencode(value), safe="")


def _seconds(milliseconds: str) -> float | None:
    """Return a time; for anything but a plain number Claude Code uses its known default."""
    plain = milliseconds.isascii() and milliseconds.isdigit()
    return int(milliseconds) / 1000 if plain and len(milliseconds) <= _LONGEST_NUMBER else None


_NOTHING = Claims(variables={}, base_url=claimed({}))
