"""Read policy files and refuse, with file and line, statements that Cedar cannot decide safely.

Cedar skips a policy that fails during evaluation, even a `forbid`. So a file is accepted only if
every statement in it is valid under the schema. `engine` decides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from credward.errors import ConfigErrors
from credward.named_files import read_checked, read_text
from credward.policy.cedar import cedarpy

__all__ = ["Loaded", "Obligation", "Statement", "load_policies"]

_ANNOTATION = re.compile(r'@(\w+)(?:\(\s*"([^"]*)"\s*\))?')
# Additional demands of a permit (DESIGN, "Obligations"); any other annotation is a comment.
_OBLIGATIONS = ("approve", "max_lifetime", "narrow", "notify", "rate")
# Strings and comments hold anything; `;` ends a statement everywhere else, brackets do not matter.
_TOKENS = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;|[^";/]+|/', re.DOTALL)


class Obligation(NamedTuple):
    """What a permit demands before a token is handed out, as `@name("value")`."""

    name: str
    value: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One policy statement; *place* is its `file:line`, *rule* its `@id`, *advice* its `@advice`.

    The advice says what a denied caller can do.
    """

    text: str
    place: str
    rule: str | None
    advice: str | None
    obligations: tuple[Obligation, ...] = ()

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.rule or self.place


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A checked set of policies; Cedar calls the one made of `statements[N]` `policyN`."""

    schema: cedarpy.Schema
    policies: cedarpy.PolicySet
    statements: tuple[Statement, ...]
    epoch: str


def load_policies(files: list[Path], *, mode: str) -> Loaded:
    """Check *files*, after the shipped ones for *mode*; raises `ConfigErrors` with all errors.

    Every mode has the shipped forbids, user mode also the permits.
    """
    directory = _shipped_directory()
    schema_text = read_text(directory / "schema.cedarschema")
    shipped = ["forbids.cedar", "user.cedar"] if mode == "user" else ["forbids.cedar"]
    texts = {directory / name: read_text(directory / name) for name in shipped}
    errors: list[str] = []
    texts |= {path: _read(path, errors) for path in files}
    statements = [each for path, text in texts.items() for each in _split(text, path)]
    errors += _errors(statements, schema_text)
    seen: dict[str, str] = {}
    for each in statements:
        if each.rule is not None:
            if each.rule in seen:
                errors.append(f'{each.place}: rule "{each.rule}" is also at {seen[each.rule]}')
            seen.setdefault(each.rule, each.place)
    if errors:
        raise ConfigErrors(errors)
    text = "\n".join(each.text for each in statements)
    return Loaded(
        schema=cedarpy.Schema.from_str(schema_text),
        policies=cedarpy.PolicySet.from_str(text),
        statements=tuple(statements),
        epoch=hashlib.sha256(f"{schema_text}\0{text}".encode()).hexdigest()[:16],
    )


def _shipped_directory() -> Path:
    """Return the directory of schema and shipped policies: in the package, or in the checkout."""
    packaged = Path(__file__).parents[1] / "policies"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "policies"


def _read(path: Path, errors: list[str]) -> str:
    """Return the text of a policy file, or note in *errors* why there is none."""
    try:
        return read_checked(path, errors) or ""
    except FileNotFoundError as error:
        # A link that leads nowhere.
        errors.append(f"{path}:1: cannot be read ({error.strerror})")
        return ""


def _split(text: str, path: Path) -> Iterator[Statement]:
    line = 1
    first: int | None = None
    parts: list[str] = []
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token.startswith("//"):
            # Comments are not part of statements, but their lines count.
            continue
        if first is None and token.strip():
            leading = len(token) - len(token.lstrip())
            first = line + text.count("\n", 0, match.start() + leading)
        parts.append(token)
        if token == ";":  # noqa: S105 - of the text
            yield _statement("".join(parts), f"{path}:{first}")
            parts, first = [], None
    if "".join(parts).strip():
        yield _statement("".join(parts), f"{path}:{first}")


def _statement(text: str, place: str) -> Statement:
    # The first counts: annotations come before anything that could look like one.
    plain = "".join(each for each in _TOKENS.findall(text) if not each.startswith("//"))
    said: dict[str, str] = {}
    for name, value in _ANNOTATION.findall(plain):
        said.setdefault(name, value)
    return Statement(
        text=text,
        place=place,
        rule=said.get("id"),
        advice=said.get("advice"),
        obligations=tuple(Obligation(name, said[name]) for name in _OBLIGATIONS if name in said),
    )


def _errors(statements: list[Statement], schema: str) -> list[str]:
    """Return what is wrong with the statements, each alone if possible."""
    # The schema is read for each validation, so most starts make only this one.
    together = _flaw("\n".join(each.text for each in statements), schema)
    if together is None and not any(_flaw(each.text) for each in statements):
        return []
    alone = []
    for each in statements:
        if flaw := _flaw(each.text, schema):
            name = f' in rule "{each.rule}"' if each.rule else ""
            alone.append(f"{each.place}: {flaw}{name}")
    return alone or [f"the policies are not valid together: {together}"]


def _flaw(text: str, schema: str | None = None) -> str | None:
    """Return what is wrong with the syntax of *text*, and with its use of *schema*, or None."""
    try:
        cedarpy.PolicySet.from_str(text)
        if schema is None:
            return None
        result = cedarpy.validate_policies(text, schema)
    except ValueError as error:
        return _one_line(str(error))
    return None if result.validation_passed else _one_line(str(result.errors[0].error))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
