"""Our own messages: the daemon's log and excerpts go through the mask, and must keep their words."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import credward
from credward.masking import masked, masked_members

# Messages from which the mask takes a word, each with a reason.
MASKED = {
    # Alone at the end of its line, as a secret would be; printed by a command, which masks nothing.
    "also removes its signing key: gateway",
    # A placeholder for a word that is none of those that the key may have.
    'store gateway is sealed under "gateway", not "gateway": set store.key = "gateway" again',
}


def messages() -> list[str]:
    """Return all texts of several words in our modules, with `gateway` where a value goes in."""
    found: set[str] = set()
    for path in Path(credward.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.update(each for each in texts(tree) if len(each.split()) > 2 and "\n" not in each)
    return sorted(found)


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the strings of *node*, without its docstrings."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(ast.literal_eval(each)) if isinstance(each, ast.Constant) else "gateway"
            for each in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for each in ast.iter_child_nodes(node):
            yield from texts(each)


def test_our_messages_are_found() -> None:
    """Those that the mask takes a word from are still there, too."""
    assert len(messages()) > 500
    assert set(messages()) >= MASKED


@pytest.mark.parametrize("mask", [masked, masked_members])
def test_our_messages_stay_whole(mask: Callable[[str], str]) -> None:
    """Alone, behind the place that they are about, and in JSON."""
    kept = [each for each in messages() if each not in MASKED]
    assert [(each, mask(each)) for each in kept if mask(each) != each] == []
    placed = [f"/etc/credward/config.toml:3: {each}" for each in kept]
    assert [(each, mask(each)) for each in placed if mask(each) != each] == []
