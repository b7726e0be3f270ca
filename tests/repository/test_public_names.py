"""What others may import is written down: a change of it is a change of this file."""

from __future__ import annotations

import ast
import importlib

import pytest

from repository.tree import BROKER, modules

# What code outside this repository may build on: the package, and what a provider of somebody else's needs.
FROZEN = {
    "credward": [
        "__version__",
        "async_token_provider",
        "aws_session",
        "credentials",
        "google_credentials",
        "token_provider",
    ],
    "credward.client": ["AuditLines", "Client"],
    "credward.errors": ["BrokerError", "Failure", "Kind", "Recovery", "Sent", "login_required"],
    "credward.tokens": [
        "ClientFlag",
        "Folder",
        "Secret",
        "SettingsFile",
        "Token",
        "TokenKind",
        "TokenRequest",
    ],
    "credward.providers.provider": [
        "CheckingProvider",
        "CommandResult",
        "Grant",
        "HttpRequest",
        "HttpResponse",
        "Io",
        "LoginIo",
        "LoginMethod",
        "LoginProvider",
        "Provider",
        "ProviderRequest",
        "RevokingProvider",
        "nothing_sent",
    ],
}


@pytest.mark.parametrize("module", FROZEN)
def test_public_names_are_frozen(module: str) -> None:
    """Neither more nor less than is promised."""
    assert sorted(importlib.import_module(module).__all__) == FROZEN[module]


def test_every_module_says_what_it_offers() -> None:
    """Each has an `__all__` of names that it defines or imports, without repetition."""
    wrong = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        offered = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__all__"
        ]
        if len(offered) != 1 or len(set(offered[0])) != len(offered[0]):
            wrong.append(str(path.relative_to(BROKER)))

    assert wrong == []
