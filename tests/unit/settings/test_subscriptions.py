"""Subscription logins of Claude.ai are made into no credential, whatever the provider."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.registry import SETTINGS
from credward.settings.subscriptions import may_be_subscription, refuse_server

PLACES = [
    {"file": "~/.claude/.credentials.json"},
    {"file": "/home/me/.claude/.credentials.json"},
    {"env": "CLAUDE_CODE_OAUTH_TOKEN"},
    {"keychain": {"service": "Claude Code-credentials", "account": "me"}},
    {"command": ["claude", "setup-token"]},
    {"command": ["security", "find-generic-password", "-s", "Claude Code-credentials", "-w"]},
    {"command": ["jq", "-r", ".claudeAiOauth.accessToken", "/tmp/copy.json"]},
    {"command": ["sh", "-c", "cat ~/.claude/.credentials.json"]},
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("static", lambda place: {"secret": place}),
        ("anthropic", lambda place: {"api_key": place}),
        ("vault", lambda place: {"token": place}),
        (
            "oauth",
            lambda place: {
                "issuer": "https://login.example.com",
                "client_id": "c",
                "grant_type": "token_exchange",
                "subject_token": place,
            },
        ),
    ],
)
def test_no_reference_leads_to_one(provider, words, place):
    """With the reason, and what to use instead."""
    with pytest.raises(msgspec.ValidationError, match="subscription login") as caught:
        msgspec.convert(words(place), SETTINGS[provider])

    assert 'provider = "anthropic" with an API key' in str(caught.value)


@pytest.mark.parametrize("place", [each for each in PLACES if "command" in each])
def test_no_program_prints_one(place):
    """Nor as a credential of its own."""
    with pytest.raises(msgspec.ValidationError, match="subscription login"):
        msgspec.convert(place | {"lifetime": 60}, SETTINGS["command"])


@pytest.mark.parametrize(
    "url",
    [
        "https://claude.ai/oauth",
        "https://console.anthropic.com/v1/oauth/token",
        "https://platform.claude.com/oauth/authorize",
        "https://API.anthropic.com/v1/oauth/token",
    ],
)
def test_no_login_is_made_there(url):
    """Nor is one that was made elsewhere renewed."""
    with pytest.raises(ValueError, match="subscription login"):
        refuse_server(url)
    for grant_type in ("refresh_token", "authorization_code", "device_code"):
        words = {"client_id": "c", "token_endpoint": url, "grant_type": grant_type}
        places = {"authorization_endpoint": url, "device_authorization_endpoint": url}
        with pytest.raises(msgspec.ValidationError, match="subscription login"):
            msgspec.convert(words | places, SETTINGS["oauth"])


def test_what_only_looks_like_it_is_let_through():
    """Other files, programs and hosts."""
    for place in (
        {"file": "/etc/claude/.credentials.json"},
        {"env": "ANTHROPIC_API_KEY"},
        {"keychain": {"service": "gateway", "account": "me"}},
        {"command": ["ant", "auth", "print-credentials", "--access-token"]},
    ):
        msgspec.convert({"secret": place}, SETTINGS["static"])
    refuse_server("https://notclaude.ai/token")
    refuse_server("https://[")


@pytest.mark.parametrize(
    ("text", "suspect"),
    [
        ("sk-ant-oat01-x", True),
        (" sk-ant-oat01-x", True),
        ('{"claudeAiOauth": {}}', True),
        ("sk-ant-api03-x", False),
        ("", False),
    ],
)
def test_stored_secrets_are_looked_at(text, suspect):
    """By their prefix, which keys do not have."""
    assert may_be_subscription(text) is suspect
