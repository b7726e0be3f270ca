"""Settings of `command`."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.command import Settings


def test_one_key_is_enough():
    """All else has a default."""
    settings = msgspec.convert({"command": ["az", "x"]}, Settings)

    assert settings.command == ("az", "x")
    assert (settings.lifetime, settings.expiry, settings.timeout, settings.kind) == (
        None,
        None,
        30.0,
        None,
    )


def test_whole_numbers_are_seconds_too():
    """`lifetime = 3600` in TOML is an integer."""
    assert msgspec.convert({"command": ["a"], "lifetime": 3600}, Settings).lifetime == 3600.0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"lifetime": 0}, "lifetime"),
        ({"lifetime": -1}, "lifetime"),
        ({"lifetime": 1e10}, "lifetime"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 3600}, "timeout"),
        ({"expiry": "maybe"}, "expiry"),
        ({"expiry": "configured"}, "needs lifetime"),
        ({"kind": "cookie"}, "kind"),
        ({"env": {"CREDWARD_SOCKET": "x"}}, "reserved for credward"),
        ({"env": {"A": 1}}, "env"),
        ({"command": "az account"}, "command"),
        ({"lifetme": 3}, "unknown field `lifetme`"),
    ],
)
def test_nonsense_is_refused(words, complaint):
    """With the name of the key."""
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert({"command": ["az"], **words}, Settings)


def test_survives_the_way_to_the_worker():
    """Settings travel as plain values and are read again."""
    settings = Settings(command=("a", "b"), lifetime=5, env={"A": "b"})

    assert msgspec.convert(msgspec.to_builtins(settings), Settings) == settings
