"""Knows where Claude.ai's subscription logins are kept; no credential may use them.

Logins of Free, Pro, Max and Team are only for Anthropic's own applications (the vendor's legal page
on authentication and credential use). Checks words only; providers check the secret itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["may_be_subscription", "refuse_place", "refuse_program", "refuse_server"]

# Of Claude Code: its file, its item in the keychain of macOS, and the variable for what
# `claude setup-token` prints.
_FILE = ".claude/.credentials.json"
_KEYCHAIN = "Claude Code"
_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"
_MARKS = (_FILE, f"{_KEYCHAIN}-", _VARIABLE, "setup-token", "claudeAiOauth")
# Federation and Console tokens have it too, but they end within a day: nobody stores them.
_OAUTH_PREFIX = "sk-ant-oat"
# Where such logins are made and renewed. Tokens of the Console come by federation or `ant`.
_SERVERS = ("claude.ai", "claude.com", "anthropic.com")
_WHY = (
    "is a Claude.ai subscription login, which its terms allow only in Anthropic's applications: "
    'use provider = "anthropic" with an API key, federation or a Console profile'
)


def refuse_place(
    *, file: str | None = None, env: str | None = None, keychain: str | None = None
) -> None:
    """Raise `ValueError` if a secret would be read from a place of such a login."""
    if file is not None and f"/{file}".endswith(f"/{_FILE}"):
        raise ValueError(f"file {file} {_WHY}")
    if env == _VARIABLE:
        raise ValueError(f"variable {env} {_WHY}")
    if keychain is not None and keychain.startswith(_KEYCHAIN):
        raise ValueError(f'keychain item "{keychain}" {_WHY}')


def refuse_program(command: Iterable[str]) -> None:
    """Raise `ValueError` if a program would print such a login."""
    words = list(command)
    if any(mark in word for word in words for mark in _MARKS):
        raise ValueError(f"the output of program {words[0]} {_WHY}")


def refuse_server(url: str) -> None:
    """Raise `ValueError` for the authorization servers of such logins."""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return
    if any(host == each or host.endswith(f".{each}") for each in _SERVERS):
        raise ValueError(f"a login at {host} {_WHY}")


def may_be_subscription(text: str) -> bool:
    """Return whether a stored secret is a token of such a login, or a file that holds one."""
    return text.lstrip().startswith(_OAUTH_PREFIX) or "claudeAiOauth" in text
