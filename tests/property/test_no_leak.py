"""H3: whatever can hold a secret is not printed, logged or pickled, wherever in the package it is defined.

Every class of values is found by walking the package, and filled with canaries by the types and names
of its fields; so a new one is tested without a word here.
"""

from __future__ import annotations

import ast
import collections.abc
import importlib
import inspect
import logging
import pickle
import pkgutil
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import credward
from canaries import MARK
from credward.tokens import Secret
from repository.tree import modules

# Fields of type `str` that hold the thing itself, by name; `grant` and `value` mean both.
TELLING = {
    "access_token", "client_secret", "device_code", "dpop_key", "password", "refresh_token", "secret",
    "secret_access_key", "secret_id", "session_token", "verifier",
}  # fmt: skip
TELLING_IN = {("GrantImport", "grant"), ("SecretValue", "value"), ("LoginAnswer", "value")}
# Bytes that are no secret: ciphertext, and what goes with it.
SEALED = {"sealed", "salt", "mac", "nonce", "digest"}
SEALED_IN = {("SealedEntry", "key")}


def classes() -> Iterator[type]:
    """Yield every value type of the package."""
    for found in pkgutil.walk_packages(credward.__path__, "credward."):
        # What settings say is shown by `credward config show`; secrets written out are refused there.
        if found.name.endswith("__main__") or found.name.startswith("credward.settings."):
            continue
        module = importlib.import_module(found.name)
        for each in vars(module).values():
            if (
                inspect.isclass(each)
                and each.__module__ == found.name
                and issubclass(each, msgspec.Struct)
            ):
                yield each


def fields_of(shape: type) -> Mapping[str, Any]:
    """Return the fields with their types."""
    hints = typing.get_type_hints(shape, include_extras=False)
    return {each.name: hints[each.name] for each in msgspec.structs.fields(shape)}


class Filler:
    """Makes values; *planted* counts the canaries in them."""

    def __init__(self, canary: str) -> None:
        self.canary = canary
        self.planted = 0

    def plant(self) -> str:
        self.planted += 1
        return self.canary

    def instance(self, shape: type, depth: int = 0) -> Any:
        """Return an object of this class with every field filled, None if it holds no secret."""
        before = self.planted
        values = {
            name: self.value(shape.__name__, name, kind, depth)
            for name, kind in fields_of(shape).items()
        }
        if self.planted == before:
            return None
        return shape(**values)

    def value(self, owner: str, name: str, kind: Any, depth: int) -> Any:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in {typing.Union, types.UnionType}:
            wanted = [each for each in arguments if each is not type(None)]
            # The one that can hold most.
            wanted.sort(key=lambda each: each not in {Secret, bytes, bytearray} and each is not str)
            return self.value(owner, name, wanted[0], depth)
        if origin is typing.Annotated:
            return self.value(owner, name, arguments[0], depth)
        if origin is typing.Literal:
            return arguments[0]
        if origin in {dict, collections.abc.Mapping}:
            return {"key": self.value(owner, name, arguments[1], depth)}
        if origin in {list, tuple, set, frozenset, collections.abc.Sequence, collections.deque}:
            inner = [self.value(owner, name, each, depth) for each in arguments if each is not ...]
            return inner if origin is collections.abc.Sequence else origin(_hashable(origin, inner))
        return self.plain(owner, name, kind, depth)

    def plain(self, owner: str, name: str, kind: Any, depth: int) -> Any:
        if kind is Secret:
            return Secret(self.plant())
        if kind in {bytes, bytearray, memoryview, msgspec.Raw}:
            if name in SEALED or (owner, name) in SEALED_IN:
                return b"sealed"
            return kind(self.plant().encode())
        if kind is str:
            telling = name in TELLING or (owner, name) in TELLING_IN
            return self.plant() if telling else "plain"
        if kind in {int, float, bool}:
            return kind(1)
        if (
            inspect.isclass(kind)
            and depth < 4
            and issubclass(kind, msgspec.Struct)
            and kind is not msgspec.Struct
        ):
            return self.instance(kind, depth + 1)
        return None


def _hashable(origin: type, values: list[Any]) -> list[Any]:
    return ["plain"] if origin in {set, frozenset} else values


def holders() -> list[type]:
    """Return the classes in which a secret can lie."""
    found = []
    for shape in classes():
        filler = Filler("x")
        filler.instance(shape)
        if filler.planted:
            found.append(shape)
    return found


HOLDERS = holders()
PRINTERS: Mapping[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda each: format(each, ""),
    "f-string": lambda each: f"{each} {each!r} {each!s}",
    "percent": lambda each: "%s %r" % (each, each),  # noqa: UP031
    "in a list": lambda each: str([each]),
    "in a dict": lambda each: str({"key": each}),
    "logging": lambda each: _logged("%s %r", each, each),
    "exception": lambda each: _trace(each, capture_locals=False),
    "locals": lambda each: _trace(each, capture_locals=True),
}


def _logged(text: str, *arguments: object) -> str:
    record = logging.LogRecord("credward", logging.INFO, "here", 1, text, arguments, None)
    return logging.Formatter().format(record)


def _trace(each: object, *, capture_locals: bool) -> str:
    try:
        raise ValueError(each)
    except ValueError as error:
        found = traceback.TracebackException.from_exception(error, capture_locals=capture_locals)
        return "".join(found.format())


def _name(shape: type) -> str:
    return f"{shape.__module__.removeprefix('credward.')}.{shape.__name__}"


def test_the_walk_finds_what_holds_secrets() -> None:
    """Those that must be among them, so that an empty walk proves nothing."""
    names = {_name(shape) for shape in HOLDERS}

    assert {
        "tokens.Token",
        "providers.provider.Grant",
        "providers.provider.ProviderRequest",
        "providers.aws.keys.Keys",
        "grants.grant_record.GrantRecord",
        "store.journal.GrantFields",
        "store.contents.Entry",
        "workers.link.MintedToken",
        "workers.link.LoginRequest",
        "wire.GrantImport",
    } <= names


@pytest.mark.parametrize("shape", HOLDERS, ids=_name)
@given(middle=st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=40))
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_h3_what_holds_a_secret_does_not_print_it(shape: type, middle: str) -> None:
    """Whatever the secret is made of, also where the thing lies inside another."""
    filler = Filler(f"{MARK}{middle}{MARK}")
    made = filler.instance(shape)

    assert filler.planted
    assert [way for way, show in PRINTERS.items() if MARK in show(made)] == []


def test_h3_nothing_is_pickled() -> None:
    """A `Secret` refuses it; what holds plain texts beside it never meets a pickler of ours."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError) as refused:
            pickle.dumps(Secret(f"{MARK}-pickled"), protocol)
        assert MARK not in str(refused.value)

    importers = [
        path
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {"pickle", "shelve", "marshal", "copyreg", "multiprocessing"}
        & {each.partition(".")[0] for each in _imported(node)}
    ]
    assert importers == []


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [each.name for each in node.names]
