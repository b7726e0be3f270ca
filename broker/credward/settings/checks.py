"""Checks that the settings of several providers share; each raises `ValueError` with what to write.

Checks words only: the worker that runs a program finds out whether it exists.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

__all__ = [
    "check_base_urls",
    "check_program",
    "check_server_url",
    "check_variables",
    "is_loopback",
    "is_page",
    "json_object",
    "messages_base",
    "origin_of",
]

_PORTS = {"http": 80, "https": 443}
# What every client of the Messages API adds to its base URL.
_MESSAGES = "/v1/messages"


def check_program(
    command: Sequence[str], key: str = "command", example: str = '["az", "account"]'
) -> None:
    """Refuse words that name no program, or a different one in each directory.

    *key* is its name in the settings, *example* a valid value.
    """
    if not command or not command[0].strip():
        raise ValueError(f"{key} is a program and its arguments, such as {example}")
    if any("\0" in word for word in command):
        raise ValueError(f"{key} holds a NUL character")
    if "/" in command[0] and not command[0].startswith(("/", "~/")):
        raise ValueError(f"{key} begins with a program's name, an absolute path, or ~/…")


def check_variables(names: Iterable[str]) -> None:
    """Refuse invalid variable names, and those that configure credward itself."""
    for name in names:
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f'"{name}" in env is not the name of a variable')
        if name.startswith("CREDWARD_"):
            raise ValueError(
                f"{name} in env is reserved for credward and cannot be set for a program"
            )


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in *text*, else None."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def check_base_urls(base_urls: tuple[str, ...]) -> None:
    """Refuse what is not a URL, or one that no client adds anything to."""
    for url in base_urls:
        if origin_of(url) is None:
            raise ValueError(
                # Not quoted: it may be a key in the wrong place, or hold a password.
                "what is given as base_url is not a base URL: write one such as "
                '"https://llm.example.com", with nothing but scheme, host, port and path'
            )
        bare = url.rstrip("/")
        if bare.endswith(_MESSAGES):
            raise ValueError(
                f'"{url}" is where messages are sent, not a base URL: write '
                f'"{bare.removesuffix(_MESSAGES)}", the client adds {_MESSAGES} itself'
            )


def messages_base(url: str) -> str:
    """Return the base URL *url* for clients of the Messages API, which add /v1/messages.

    Clients of other APIs, such as OpenAI's, want /v1 at the end for the same server, so a
    configuration may have that; Claude Code would ask for /v1/v1/messages.
    """
    return url.rstrip("/").removesuffix("/v1")


def check_server_url(name: str, url: str, example: str) -> None:
    """Refuse invalid URLs, and servers to which secrets would go in the clear.

    Plain http is only for loopback (RFC 8252 section 8.3).
    """
    origin = origin_of(url)
    if origin is None or "#" in url:
        raise ValueError(f"{name} is a URL such as {example}")
    scheme, host, _ = origin
    if scheme != "https" and not is_loopback(host):
        raise ValueError(f"{name} is an https URL such as {example}: http would expose secrets")


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None for anything but a plain http(s) URL.

    All code that compares URLs or checks where one leads uses this. Port 0 is not valid: it is
    neither the default nor a port to connect to.
    """
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").rstrip(".")
    # With user information, http://good@evil looks like one host and is another.
    if parts.scheme not in _PORTS or not host or port == 0 or "@" in parts.netloc:
        return None
    return parts.scheme, host, port or _PORTS[parts.scheme]


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine, where http is as safe as https (RFC 8252 8.3)."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_page(url: object) -> bool:
    """Return whether *url*, maybe from a server, is safe to show to a user and open.

    https, or on loopback; no control characters, and no name before an @ that looks like the host.
    """
    origin = origin_of(url) if isinstance(url, str) else None
    return origin is not None and (origin[0] == "https" or is_loopback(origin[1]))
