"""Settings of `local`."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.local import Settings


def test_nothing_is_required():
    """`provider = "local"` is a whole credential."""
    settings = msgspec.convert({}, Settings)

    assert (settings.lifetime, settings.issuer) == (3600.0, "https://credward.local")


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "jti", "scope"])
def test_claims_cannot_contradict_the_settings(name):
    """What the token says of itself has one source."""
    with pytest.raises(msgspec.ValidationError, match=f"claims cannot set {name}"):
        msgspec.convert({"claims": {name: "x"}}, Settings)


@pytest.mark.parametrize("lifetime", [0, -5, 1, 1e9])
def test_absurd_lifetimes_are_refused(lifetime):
    """Too short to hand out, too long to be short-lived."""
    with pytest.raises(msgspec.ValidationError, match="lifetime"):
        msgspec.convert({"lifetime": lifetime}, Settings)
