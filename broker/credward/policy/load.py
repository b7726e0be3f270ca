"""Read policy files and refuse, with file and line, what Cedar could not decide safely.

A policy that fails while it is evaluated is skipped by Cedar, a `forbid` included; so a file is
taken only when every statement in it is valid under the schema. Deciding is `engine`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import cedarpy
import msgspec

from credward.errors import BrokerError, Kind
from credward.named_files import read_text

__all__ = ["Loaded", "Obligation", "Statement", "load_policies"]

_ANNOTATION = re.compile(r'@(\w+)(?:\(\s*"([^"]*)"\s*\))?')
# What a permit may demand besides (DESIGN, "Obligations"); any other annotation is a remark.
_OBLIGATIONS = ("approve", "max_lifetime", "narrow", "notify", "rate")
# Strings and comments hold anything; brackets are not needed, `;` ends a statement everywhere else.
_TOKENS = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;|[^";/]+|/', re.DOTALL)


class Obligation(NamedTuple):
    """What a permit demands before anything is handed out by it, as `@name("value")`."""

    name: str
    value: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One policy statement; *place* is its `file:line`, *rule* its `@id`, *advice* its `@advice`.

    The advice is what a caller that it denies can do.
    """

    text: str
    place: str
    rule: str | None
    advice: str | None
    obligations: tuple[Obligation, ...] = ()

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.rule or self.place


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A checked set of policies; Cedar calls the one made of `statements[N]` `policyN`."""

    schema: cedarpy.Schema
    policies: cedarpy.PolicySet
    statements: tuple[Statement, ...]
    epoch: str


def load_policies(files: list[Path], *, mode: str) -> Loaded:
    """Check *files*, after what is shipped for *mode*; raises `fix-configuration`.

    Every mode has the shipped forbids, user mode permits too.
    """
    directory = _shipped_directory()
    schema_text = read_text(directory / "schema.cedarschema")
    shipped = ["forbids.cedar", "user.cedar"] if mode == "user" else ["forbids.cedar"]
    sources = [*(directory / name for name in shipped), *files]
    statements = [statement for path in sources for statement in _read(path)]
    errors = [error for each in statements if (error := _check(each, schema_text))]
    seen: dict[str, str] = {}
    for each in statements:
        if each.rule is not None:
            if each.rule in seen:
                errors.append(f'{each.place}: rule "{each.rule}" stands at {seen[each.rule]} too')
            seen.setdefault(each.rule, each.place)
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f"{errors[0]}{more}: correct it, then run credward config check"
        )
    text = "\n".join(each.text for each in statements)
    return Loaded(
        schema=cedarpy.Schema.from_str(schema_text),
        policies=cedarpy.PolicySet.from_str(text),
        statements=tuple(statements),
        epoch=hashlib.sha256(f"{schema_text}\0{text}".encode()).hexdigest()[:16],
    )


def _shipped_directory() -> Path:
    """Return where schema and shipped policies lie: in the package, or in the checkout."""
    packaged = Path(str(resources.files("credward"))) / "policies"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "policies"


def _read(path: Path) -> Iterator[Statement]:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'policy file "{path}" cannot be read ({why}): run credward config check',
        ) from error
    yield from _split(text, path)


def _split(text: str, path: Path) -> Iterator[Statement]:
    line = 1
    first: int | None = None
    parts: list[str] = []
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token.startswith("//"):
            # Comments stay out of statements, but their lines count.
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
    # The first counts: annotations stand in front of all that could look like one.
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


def _check(statement: Statement, schema: str) -> str | None:
    """Return what is wrong with one statement by itself, or None."""
    name = f' in rule "{statement.rule}"' if statement.rule else ""
    try:
        cedarpy.PolicySet.from_str(statement.text)
        result = cedarpy.validate_policies(statement.text, schema)
    except ValueError as error:
        return f"{statement.place}: {_one_line(str(error))}{name}"
    if result.validation_passed:
        return None
    return f"{statement.place}: {_one_line(str(result.errors[0].error))}{name}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
