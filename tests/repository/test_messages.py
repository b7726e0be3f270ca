"""G-4: messages of the providers are plain English, for a tired reader with another first language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from repository.tree import BROKER

# Turns that were once here, and what says the same: "is invalid", "has expired", "the administrator of".
_TURNS = re.compile(
    r"\b(is|was|are) none\b|\bis over\b|\bwhoever\b|\bwhosoever\b|\bis no (URL|file|token|number|command)\b"
    r"|\bhas no the\b|\bmend it\b|\bis no (base URL|refresh token|name)\b|\btried again by itself\b|\basked (too often|again by itself)\b|\bmakes no sense\b"
)


def test_g4_messages_are_plain() -> None:
    """No turn that has to be read twice."""
    found = [
        f"{path.name}: {text}"
        for path in sorted(BROKER.rglob("*.py"))
        for text in _texts(ast.parse(path.read_text(encoding="utf-8")))
        if _TURNS.search(text)
    ]

    assert found == []


def _texts(tree: ast.Module) -> Iterator[str]:
    """Yield what is written between quotes, but for docstrings."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value
