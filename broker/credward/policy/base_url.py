"""May a token go where the caller would send it? The caller's claim can only deny.

Pure. A repository's settings can redirect an agent to another host; this keeps a company's token
from going there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from credward.settings.checks import origin_of

__all__ = ["check_base_url", "listed", "written"]

# What helper and command line check for each flag.
_VARIABLES = {
    "extra-ca": "NODE_EXTRA_CA_CERTS",
    "proxy": "HTTPS_PROXY or similar",
    "tls-off": "NODE_TLS_REJECT_UNAUTHORIZED",
}


def check_base_url(
    base_urls: Sequence[str],
    allowed_flags: Collection[str],
    client_base_url: str | None,
    client_flags: Collection[str],
) -> str | None:
    """Return why the token must not go there, None if it may.

    Scheme, host and port must be those of one configured base URL; paths do not matter. Without
    configured base URLs the token may go anywhere.
    """
    if not base_urls:
        return None
    only = f"is for {listed(base_urls)} only"
    remedy = f"add --base-url {base_urls[0]} if you send it there"
    if client_base_url is None:
        return f"{only}, and the caller did not say where it will send it: {remedy}"
    origin = origin_of(client_base_url)
    if origin is None:
        return f"{only}, and the caller's base URL is invalid: {remedy}"
    if origin not in {origin_of(each) for each in base_urls}:
        return f"{only}, not for {written(origin)}: {remedy}"
    refused = sorted(set(client_flags) - set(allowed_flags))
    if refused:
        variables = ", ".join(_VARIABLES.get(each, each) for each in refused)
        words = ", ".join(f'"{each}"' for each in sorted({*refused, *allowed_flags}))
        return (
            f"is not handed out to a caller with {variables} set: "
            f"unset it, or write allow_client_flags = [{words}] beside the base_url"
        )
    return None


def listed(base_urls: Sequence[str]) -> str:
    """Return base URLs as part of a sentence."""
    *others, last = base_urls
    return f"{', '.join(others)} and {last}" if others else last


def written(origin: tuple[str, str, int]) -> str:
    """Return an origin as people write it: without the default port."""
    scheme, host, port = origin
    bare = f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"
    return bare if origin_of(bare) == origin else f"{bare}:{port}"
