"""Says which scopes one mint asks for, given what is configured and what a caller narrowed it to.

Pure; whether a caller may ask for an audience or scope was decided in the daemon.
"""

from __future__ import annotations

from credward.settings.entra import Settings

__all__ = ["choose_scopes"]


def choose_scopes(
    settings: Settings, audience: str | None, scopes: tuple[str, ...]
) -> tuple[str, ...]:
    """Return scopes in the form of the v2.0 endpoint, `AUDIENCE/PERMISSION`.

    An audience alone means all that it grants, `AUDIENCE/.default`; a scope without a resource is
    one of the audience. A caller's words take the place of the configured ones.
    """
    if audience is None:
        base = settings.scopes[0].rpartition("/")[0] if settings.scopes else ""
    else:
        base = audience.removesuffix("/.default")
    if scopes:
        return tuple(each if "/" in each or not base else f"{base}/{each}" for each in scopes)
    if audience is None:
        return settings.scopes
    return (f"{base}/.default",)
