"""Which scopes one mint asks for."""

from __future__ import annotations

import pytest

from credward.providers.entra.scopes import choose_scopes
from credward.settings.entra import Settings

HOME = {"tenant": "contoso.com", "client_id": "app"}


@pytest.mark.parametrize(
    ("words", "audience", "scopes", "chosen"),
    [
        ({"scope": "api://x/a api://x/b"}, None, (), ("api://x/a", "api://x/b")),
        ({"scope": "api://x/.default"}, "api://y", (), ("api://y/.default",)),
        ({"scope": "api://x/.default"}, "api://y/.default", (), ("api://y/.default",)),
        ({"scope": "api://x/.default"}, None, ("a",), ("api://x/a",)),
        ({"scope": "api://x/.default"}, "api://y", ("a", "api://z/b"), ("api://y/a", "api://z/b")),
        ({"token": "id"}, None, (), ()),
        ({"token": "id"}, None, ("User.Read",), ("User.Read",)),
        ({"resource": "my-res"}, "https://cognitiveservices.azure.com", (),
         ("https://cognitiveservices.azure.com/.default",)),
    ],
)  # fmt: skip
def test_a_caller_narrows(words, audience, scopes, chosen):
    """What was asked for takes the place of what is configured."""
    assert choose_scopes(Settings(**HOME, **words), audience, scopes) == chosen
