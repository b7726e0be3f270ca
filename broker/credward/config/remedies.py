"""What to do if the token of a credential is refused where it is used, and its source has no other.

The daemon says it of a refusal that it heard of, `doctor --live` of one that it sees.
"""

from __future__ import annotations

from credward.config.model import CredentialConfig
from credward.settings.references import Reference

__all__ = ["remedy_for"]


def remedy_for(credential: CredentialConfig) -> str:
    """Return what to type or to replace, "" if nothing is known but to mint again."""
    again = f"run credward get --fresh {credential.name}"
    match credential.meaning.handed_out:
        case None:
            source = credential.meaning.comes_from
            return f"check {source}, then {again}" if source else ""
        case Reference(store=str(name)):
            return f"run credward secret set {name}"
        case Reference(file=str(path)):
            return f"put another one into {path}"
        case Reference(env=str(name)):
            return f"set {name} to another one, then restart credward serve"
        case reference:
            return f"replace it ({reference.describe()}), then {again}"
