"""The files that are kept fresh: each `[[sinks]]`, checked against the credentials and the others.

Words only; `sinks` writes the files, and knows what is on the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from credward.config.layers import Complaints, Layer
from credward.config.model import CredentialConfig, SinkConfig, SinkFormat
from credward.config.sections import SinkSection
from credward.config.words import listed_sections
from credward.guess import guess

__all__ = ["read_sinks"]

# What a format can hold, by the kind of token that a credential mints; others hold any.
_KINDS: Mapping[SinkFormat, tuple[str, ...]] = {
    "token": ("bearer", "api-key", "basic"),
    "env": ("bearer", "api-key", "basic"),
    "aws-credentials": ("aws",),
    "anthropic-profile": ("bearer",),
}
_NAMES = {"aws": "AWS keys", "bearer": "a bearer token", "api-key": "an API key"}
# Of which other programs have parts too.
_SHARED: frozenset[SinkFormat] = frozenset({"aws-credentials", "anthropic-profile"})
_MODE = re.compile(r"0?[0-7]{3}")
# What the SDKs of AWS and Anthropic take as the name of a profile.
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def read_sinks(
    layers: list[Layer], credentials: Mapping[str, CredentialConfig], complaints: Complaints
) -> tuple[SinkConfig, ...]:
    """Return the sinks of all layers; those of the user come after those of the system."""
    found: list[SinkConfig] = []
    for at, section in listed_sections(layers, "sinks", SinkSection, complaints):
        sink = _sink(section, at)
        problem = _problem(sink, section, found)
        if problem is None:
            problem = _unfit(sink, credentials, known=not complaints.errors)
        if problem is None:
            found.append(sink)
        else:
            complaints.errors.append(f"{at}: sinks: {problem}")
    return tuple(found)


def _sink(section: SinkSection, origin: str) -> SinkConfig:
    profile = section.profile or (section.credential if section.format in _SHARED else "")
    return SinkConfig(
        credential=section.credential,
        path=Path(os.path.normpath(Path(section.path).expanduser())),
        format=section.format,
        profile=profile,
        mode=int(section.mode, 8) if _MODE.fullmatch(section.mode) else 0,
        on_change=tuple(section.on_change or ()),
        single_use=section.single_use,
        origin=origin,
    )


def _problem(sink: SinkConfig, section: SinkSection, others: list[SinkConfig]) -> str | None:
    """Return what is wrong with the words of *sink*, or because of *others*."""
    if not sink.path.is_absolute() or "\0" in section.path:
        return f'path "{section.path}" is not absolute: begin it with / or ~/'
    if sink.mode & 0o400 == 0 or sink.mode & ~0o640:
        return (
            f'mode "{section.mode}" is not possible: "0600", or "0640" for a group; '
            "a file with a token is never open to all"
        )
    if sink.format == "anthropic-profile" and sink.mode != 0o600:
        return "the SDKs of Anthropic read a profile of mode 0600 only: remove mode"
    if section.profile is not None and sink.format not in _SHARED:
        return f"format {sink.format} has no profile: remove it"
    if sink.profile and not _PROFILE.fullmatch(sink.profile):
        return f'profile "{sink.profile}" is not a name of letters, digits, dot, dash, underscore'
    if sink.single_use and sink.format != "token":
        return "single_use is for format token"
    for other in others:
        if sink.path == other.path and (
            sink.place == other.place or sink.format != other.format or not sink.profile
        ):
            return f"{sink.path} is written by the sink at {other.origin} already: name another"
    return None


def _unfit(
    sink: SinkConfig, credentials: Mapping[str, CredentialConfig], *, known: bool
) -> str | None:
    """Return why its credential cannot be in it, as far as settings tell.

    *known*: *credentials* are all of them.
    """
    credential = credentials.get(sink.credential)
    if credential is None:
        if not known:
            return None
        near = guess(sink.credential, credentials)
        return f'"{sink.credential}" is not a configured credential{near}'
    if credential.bound:
        return (
            f'"{credential.name}" is for {", ".join(credential.base_urls)} only, and programs that '
            "read a file do not say where they send what is in it: use the helper, or remove "
            "base_url"
        )
    minted, possible = credential.meaning.kind, _KINDS.get(sink.format)
    if minted is None or possible is None or minted in possible:
        return None
    what = _NAMES.get(minted, f"a token of kind {minted}")
    return f'"{credential.name}" is {what}, which format {sink.format} cannot hold'
