"""An installed package of somebody else's that brings a provider."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install_plug_in(
    folder: Path,
    package: str,
    *,
    providers: Mapping[str, str] = {},
    settings: Mapping[str, str] = {},
    source: str,
) -> None:
    """Put module `plug_in_PACKAGE` with *source* and its entry points (name to attribute) into *folder*."""
    (folder / f"plug_in_{package}.py").write_text(source)
    metadata = folder / f"plug_in_{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: plug-in-{package}\nVersion: 1.0\n"
    )
    lines: list[str] = []
    for group, names in (("credward.providers", providers), ("credward.settings", settings)):
        lines.append(f"[{group}]")
        lines += [f"{name} = plug_in_{package}:{attribute}" for name, attribute in names.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
