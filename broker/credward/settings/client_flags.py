"""What may be between a caller and its server: the words of `allow_client_flags`.

Each could read a token on its way. A word allows every one of its kind (`proxy`, `extra-ca`,
`tls-off`), or only the one that it names: `proxy=HOST:PORT`, `extra-ca=sha256:DIGEST`. A caller
reports the same words. Words only: who reports them and what follows is decided elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable

__all__ = [
    "allows",
    "authority_word",
    "check_words",
    "is_the_systems",
    "proxy_address",
    "proxy_word",
]

_WORD = re.compile(r"proxy(=.+)?|tls-off|extra-ca(=sha256:[0-9a-f]{64})?")
# The same as in `claims.c`: what some program could read differently is no address. Not a second
# `@`, a backslash, or anything that is not plain ASCII.
_ADDRESS = re.compile(
    rb"([A-Za-z0-9+.-]+://)?(?:[!\"$-.0->A-\[\]-~]*@)?"
    rb"((?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]+)?)/?"
)
_LONGEST = 300
_HOST_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
# Without a scheme programs differ.
_PORTS = {
    "http": 80,
    "https": 443,
    **dict.fromkeys(("socks", "socks4", "socks4a", "socks5", "socks5h"), 1080),
}
_MOST = 65_535
# Where a system keeps the authorities that it trusts: Debian, Alpine, Arch and Nix; Red Hat; SUSE;
# BSD and macOS (the places that Go's crypto/x509 and OpenSSL of these systems read).
_OF_THE_SYSTEM = frozenset(
    {
        *("/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-bundle.crt"),
        *("/etc/pki/tls/certs", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/tls/cert.pem"),
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        *("/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem"),
        "/etc/ssl/cert.pem",
    }
)


def check_words(words: Iterable[str]) -> None:
    """Refuse a word that no caller would report."""
    for word in words:
        kind, _, value = word.partition("=")
        if _WORD.fullmatch(word) is None or (kind == "proxy" and proxy_word(value) != word):
            raise ValueError(
                f'"{word}" in allow_client_flags is unknown: write "proxy=HOST:PORT", '
                '"extra-ca=sha256:DIGEST", or "proxy", "extra-ca", "tls-off" for all of a kind'
            )


def allows(allowed: Collection[str], word: str) -> bool:
    """Return whether the words *allowed* cover *word*."""
    return word in allowed or word.partition("=")[0] in allowed


def proxy_address(url: str) -> str:
    """Return scheme, host and port of a proxy, without user and password; empty if unclear."""
    found = _ADDRESS.fullmatch(os.fsencode(url))
    bare = b"".join(each or b"" for each in found.groups()) if found else b""
    return bare.decode() if len(bare) <= _LONGEST else ""


def proxy_word(address: str) -> str:
    """Return the word for a proxy; for an unclear *address* that of every proxy."""
    scheme, _, rest = address.lower().rpartition("://")
    found = _HOST_PORT.fullmatch(rest)
    port = int(found[2] or _PORTS.get(scheme, 0)) if found else 0
    return f"proxy={found[1]}:{port}" if found and 0 < port <= _MOST else "proxy"


def authority_word(digest: str) -> str:
    """Return the word for a file of authorities with this SHA-256 (hexadecimal); empty: of all."""
    return f"extra-ca=sha256:{digest}" if digest else "extra-ca"


def is_the_systems(place: str) -> bool:
    """Return whether *place* names only files and folders of the system's own authorities.

    *place* is a path, or several with colons between them; its content is not read. To name these
    adds nothing: agents trust them without a variable too, and who can change them is root.
    """
    return _OF_THE_SYSTEM.issuperset(place.split(":"))
