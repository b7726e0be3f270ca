"""Where a secret is taken out of its wrapper: a short list, so that reading it is the audit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from repository.tree import BROKER, listed_reasons, modules


def test_secrets_are_revealed_where_it_is_listed() -> None:
    """Every place that calls `reveal()` is on the list with a reason, and the list holds nothing else."""
    found = {site for path in modules() for site in reveal_sites(path)}

    assert sorted(found) == sorted(listed_reasons("reveal_sites.txt"))


def reveal_sites(path: Path) -> Iterator[str]:
    """Return `path function` of each use of the attribute `reveal`."""
    name = str(path.relative_to(BROKER))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = {
                id(each)
                for child in ast.walk(node)
                if child is not node and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
                for each in ast.walk(child)
            }
            if any(is_reveal(each) and id(each) not in inner for each in ast.walk(node)):
                yield f"{name} {node.name}"
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and any(
            is_reveal(each) for each in ast.walk(node)
        ):
            yield f"{name} <module>"


def is_reveal(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "reveal"
