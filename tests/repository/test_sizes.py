"""Nothing is too long to be read at once, and nobody is handed more than can be told apart."""

from __future__ import annotations

import ast

from repository.tree import BROKER, modules

MOST_LINES = 60
MOST_ARGUMENTS = 7


def test_no_function_is_longer_than_a_page() -> None:
    """What is longer has a part with a name of its own."""
    found = {
        f"{path.relative_to(BROKER)} {node.name}": lines
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES
    }

    assert found == {}


def test_no_constructor_takes_more_than_seven_arguments() -> None:
    """What belongs together is handed over together."""
    found = {
        f"{path.relative_to(BROKER)}:{node.lineno}": count
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.name == "__init__"
        # Less `self`.
        and (count := len([*node.args.args, *node.args.kwonlyargs]) - 1) > MOST_ARGUMENTS
    }

    assert found == {}
