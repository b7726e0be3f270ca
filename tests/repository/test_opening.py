"""S-10: files are opened by name in one module, which opens regular ones only and waits for nobody."""

from __future__ import annotations

import ast

from repository.tree import BROKER, listed_reasons, modules

ALLOWED = listed_reasons("openers.txt")
# Calls that open what has a name. Of modules and of paths alike, so a few are found too many.
BUILT_IN = {"open"}
METHODS = {
    "open", "read_text", "read_bytes", "write_text", "write_bytes", "touch", "open_code",
    "FileHandler", "copyfile", "copy", "copy2", "copytree", "load_cert_chain", "load_verify_locations",
}  # fmt: skip
# Who has a method of such a name that opens no file.
OTHERS = {
    "self", "webbrowser", "opened_store", "_opened_store", "store", "_store", "_sealer", "listener", "_journals",
    "idle_lock", "_idle_lock", "_cache", "_memory", "released",
}  # fmt: skip


def test_s10_files_are_opened_in_one_place() -> None:
    """Whatever else opens one by name is listed, with its reason; a new one belongs to `named_files`."""
    assert _openers() == set(ALLOWED)


def _openers() -> set[str]:
    found = set()
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        ours = _imported_from_named_files(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _opens(node.func, ours):
                found.add(str(path.relative_to(BROKER)))
    return found


def _opens(function: ast.expr, ours: set[str]) -> bool:
    match function:
        case ast.Name(id=name):
            return name in BUILT_IN and name not in ours
        case ast.Attribute(attr=name, value=value):
            return name in METHODS and _last_word(value) not in OTHERS | {"named_files"}
        case _:
            return False


def _last_word(value: ast.expr) -> str:
    match value:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _imported_from_named_files(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "credward.named_files"
        for alias in node.names
    }
