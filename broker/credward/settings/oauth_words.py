"""Checks of single words in the settings of `oauth`; each raises `ValueError` with what to write.

How the words fit together is checked by `settings.oauth`.
"""

from __future__ import annotations

from collections.abc import Iterable

from credward.settings.checks import check_server_url

__all__ = ["check_endpoint", "check_parameters", "check_ports"]

# What the login itself sets; a second value would undo PKCE, state or nonce.
_RESERVED = frozenset(
    {
        "client_id", "client_secret", "code_challenge", "code_challenge_method", "nonce",
        "redirect_uri", "response_type", "scope", "state",
    }
)  # fmt: skip


def check_endpoint(name: str, url: str) -> None:
    """Refuse anything but an https URL; plain http only on loopback (RFC 6749 section 3.2)."""
    check_server_url(name, url, "https://login.example.com")
    if name == "issuer" and "?" in url:
        raise ValueError("issuer is a URL without a query")


def check_parameters(parameters: Iterable[str]) -> None:
    """Refuse parameters of the authorization URL that the login sets itself."""
    if taken := sorted(_RESERVED.intersection(parameters)):
        raise ValueError(f"authorization_parameters cannot set {', '.join(taken)}")


def check_ports(ports: Iterable[int]) -> None:
    """Refuse anything but ports; 0 means any free one."""
    if not (ports := tuple(ports)) or any(not 0 <= port <= 65_535 for port in ports):
        raise ValueError("redirect_ports is a list of ports, 0 for any free one")
