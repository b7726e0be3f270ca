"""May a token go where the caller would send it? A claim of the caller's that can only deny.

Pure. A repository's settings can redirect an agent to another host; this is what stops a company's
token from following.
"""

from __future__ import annotations

from collections.abc import Collection

from credward.settings.checks import origin_of

__all__ = ["check_base_url"]

# What helper and command line look at for each flag.
_VARIABLES = {
    "extra-ca": "NODE_EXTRA_CA_CERTS",
    "proxy": "HTTPS_PROXY and its kin",
    "tls-off": "NODE_TLS_REJECT_UNAUTHORIZED",
}


def check_base_url(
    base_urls: Collection[str],
    allowed_flags: Collection[str],
    client_base_url: str | None,
    client_flags: Collection[str],
) -> str | None:
    """Return why the token must not go there, None where it may.

    Scheme, host and port must be those of one configured base URL; paths do not matter. Without
    configured base URLs the token may go anywhere.
    """
    if not base_urls:
        return None
    origins = {origin for each in base_urls if (origin := origin_of(each)) is not None}
    listed = ", ".join(sorted(base_urls))
    if client_base_url is None:
        return (
            f"is for {listed} only, and where it is sent to was not said: name it with --base-url"
        )
    origin = origin_of(client_base_url)
    if origin is None:
        return f"is for {listed} only, and the caller's base URL is no plain one"
    if origin not in origins:
        host = f"{origin[0]}://{origin[1]}:{origin[2]}"
        return (
            f"is for {listed} only, not for {host}: "
            "set ANTHROPIC_BASE_URL to it, or name it with --base-url"
        )
    refused = sorted(set(client_flags) - set(allowed_flags))
    if refused:
        variables = ", ".join(_VARIABLES.get(each, each) for each in refused)
        words = ", ".join(f'"{each}"' for each in sorted({*refused, *allowed_flags}))
        return (
            f"is not handed out to a caller with {variables} set: "
            f"unset it, or write allow_client_flags = [{words}] beside the base_url"
        )
    return None
