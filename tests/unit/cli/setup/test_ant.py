"""A function of the shell that starts ant with a fresh token."""

from pathlib import Path

import pytest

from unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("name", "variable", "base_url"),
    [
        ("key", "ANTHROPIC_API_KEY", ""),
        ("gateway", "ANTHROPIC_AUTH_TOKEN", "https://llm.example.com"),
    ],
)
def test_a_key_and_a_token_have_different_variables(
    run: Run, set_up_home: Path, name: str, variable: str, base_url: str
) -> None:
    """Neither is in the file; where requests go is, if that is not the usual address."""
    run("setup", "ant", name, "--yes", "--json")
    text = (set_up_home / ".bashrc").read_text()

    assert f'{variable}="$({set_up_home}/bin/credward-helper {name})" || exit' in text
    assert ("ANTHROPIC_BASE_URL" in text) == bool(base_url)
    assert f"export ANTHROPIC_BASE_URL={base_url}\n" in text or not base_url


@pytest.mark.parametrize(
    ("name", "said"), [("claude", "run ant profile activate work"), ("vertex", "Google Cloud")]
)
def test_what_ant_cannot_use_is_refused(run: Run, set_up_home: Path, name: str, said: str) -> None:
    """Its own login, and tokens for another service."""
    ran = run("setup", "ant", name, "--yes")

    assert ran.code == 64
    assert said in ran.err
    assert not (set_up_home / ".bashrc").exists()
