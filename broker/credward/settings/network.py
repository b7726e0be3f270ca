"""How workers reach the network: the table `[network]`, sent with every request to a worker.

Words only; `providers.transport` makes the connections.
"""

from __future__ import annotations

import msgspec

from credward.settings.checks import origin_of

__all__ = ["NetworkSettings"]


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[network]`: *proxy* for https, *no_proxy* host suffixes, *ca* a PEM file of authorities.

    *ca* None: the trust store of the operating system. Variables such as HTTPS_PROXY are not read:
    a daemon has no user's shell. *private_hosts*: host suffixes that may be in a private network
    even if only a server's answer names them.
    """

    proxy: str | None = None
    no_proxy: tuple[str, ...] = ()
    ca: str | None = None
    private_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.proxy is not None:
            if "@" in self.proxy:
                raise ValueError(
                    "proxy must not hold a name or password: use a proxy that needs none"
                )
            if origin_of(self.proxy) is None:
                raise ValueError("proxy is a URL such as http://proxy.example.com:3128")
        if self.ca is not None and not self.ca.startswith(("/", "~/")):
            raise ValueError("ca is an absolute path, or one that begins with ~/")

    def bypasses(self, host: str) -> bool:
        """Return whether *host* is reached without the proxy."""
        return _ends_in(host, self.no_proxy)

    def may_be_private(self, host: str) -> bool:
        """Return whether *host* may be in a private network, no matter who named it."""
        return _ends_in(host, self.private_hosts)


def _ends_in(host: str, suffixes: tuple[str, ...]) -> bool:
    host = host.lower()
    return any(
        host == suffix.lstrip(".").lower() or host.endswith("." + suffix.lstrip(".").lower())
        for suffix in suffixes
    )
