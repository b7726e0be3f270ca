"""One table of the configuration as its struct, or what is wrong with it.

Reports errors in the words of TOML, each key with its place at any depth; `load` knows which tables
there are and what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from credward.config.layers import Complaints, Layer
from credward.guess import guess

__all__ = ["Where", "convert", "listed_sections"]

# The messages of msgspec, and the names of types in TOML.
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_BOUND = re.compile(r"Expected `(?:int|float)` (?P<sign>[<>]=?) (?P<bound>[-\d.]+)")
_SIGNS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_NO_CHOICE = re.compile(r"Invalid enum value '([^']*)'")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_SHAPES = {
    "array": 'a list such as ["…", "…"]',
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "a table such as { … }",
    "str": "a text in quotes",
}
_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")

_S = TypeVar("_S", bound=msgspec.Struct)

Path = tuple[str, ...]
# Where a key of a table was written: the file, and the path in it.
Where = Callable[[Path], tuple[Layer, Path]]


def convert(
    where: Where, table: Mapping[str, Any], shape: type[_S], complaints: Complaints
) -> _S | None:
    """Return *table* as *shape*, or report errors: all unknown keys, else one wrong value."""
    try:
        return msgspec.convert(table, shape)
    except msgspec.ValidationError as error:
        unknown = list(_unknown_keys(table, shape))
        for inner, known in unknown:
            text = f'unknown key "{inner[-1]}"{guess(inner[-1], known, listed=True)}'
            _complain(where, inner, text, complaints)
        if not unknown:
            _complain(where, *_wrong(str(error), shape), complaints)
        return None


def listed_sections(
    layers: list[Layer], name: str, shape: type[_S], complaints: Complaints
) -> Iterator[tuple[str, _S]]:
    """Yield the place and the content of each `[[NAME]]`, those of the system's layers first."""
    for layer in layers:
        tables = layer.data.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            complaints.errors.append(
                f"{layer.at(name)}: {name} is a list of tables: write [[{name}]]"
            )
            continue
        for number, table in enumerate(tables):
            place = partial(_in_list, layer, name, number)
            if (section := convert(place, table, shape, complaints)) is not None:
                yield layer.at(name, str(number)), section


def _in_list(layer: Layer, name: str, number: int, inner: Path) -> tuple[Layer, Path]:
    return layer, (name, str(number), *inner)


def _complain(where: Where, inner: Path, text: str, complaints: Complaints) -> None:
    layer, path = where(inner)
    complaints.errors.append(f"{layer.at(*path)}: {'.'.join(path)}: {text}")


def _wrong(text: str, shape: type[msgspec.Struct]) -> tuple[Path, str]:
    """Return the key and the problem that msgspec found, in our words."""
    inner: Path = ()
    if (place := _PATH.search(text)) is not None:
        inner = tuple(each for each in re.split(r"[.\[\]]+", place["path"]) if each)
        text = text[: place.start()]
    if (missing := _MISSING.search(text)) is not None:
        return inner, f'"{missing[1]}" is missing'
    if (wrong := _EXPECTED.fullmatch(text)) is not None:
        wanted = " or ".join(
            _SHAPES.get(each, each) for each in wrong["wanted"].split(" | ") if each != "null"
        )
        return inner, f"must be {wanted}, not {_SHAPES.get(wrong['got'], wrong['got'])}"
    if (bound := _BOUND.fullmatch(text)) is not None:
        return inner, f"must be {_SIGNS[bound['sign']]} {bound['bound'].removesuffix('.0')}"
    if (no_choice := _NO_CHOICE.match(text)) is not None:
        words = sorted(f'"{each}"' for each in _choices(shape, inner))
        return inner, f'no "{no_choice[1]}"' + (f": one of {', '.join(words)}" if words else "")
    return inner, text


def _unknown_keys(
    value: object, annotation: object, path: Path = ()
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the path of each key unknown to *annotation*, with the keys that are known there."""
    for each in _alternatives(annotation):
        fields = _fields(each)
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if fields and key not in fields:
                    yield (*path, key), tuple(fields)
                else:
                    yield from _unknown_keys(inner, _below(each, key), (*path, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                key = str(number)
                yield from _unknown_keys(inner, _below(each, key), (*path, key))


def _choices(annotation: object, path: Path) -> Iterator[object]:
    """Yield the allowed values at *path*, if these are a few words."""
    for each in _alternatives(annotation):
        if path:
            yield from _choices(_below(each, path[0]), path[1:])
        elif get_origin(each) is Literal:
            yield from get_args(each)


def _alternatives(annotation: object) -> Iterator[Any]:
    """Yield the types that a value may have, without `Annotated`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for each in get_args(annotation):
            yield from _alternatives(each)
    else:
        yield annotation


def _below(annotation: object, key: str) -> object:
    """Return the type under *key* of a table or a list; None if unknown."""
    if fields := _fields(annotation):
        return fields.get(key)
    inner = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is dict:
            return inner[1]
        case origin if origin in {list, tuple}:
            return inner[0]
    return None


def _fields(annotation: object) -> dict[str, Any]:
    if not (isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)):
        return {}
    return {each.encode_name: each.type for each in msgspec.structs.fields(annotation)}
