"""What is seen of a JWT before it is presented."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.anthropic.assertion import read_assertion
from fakes.io import NOW

KEY = ec.generate_private_key(ec.SECP256R1())


def sign(algorithm="ES256", key=KEY, **claims):
    return jwt.encode({"iss": "i", "exp": int(NOW) + 60} | claims, key, algorithm=algorithm)


def read(text):
    return read_assertion("claude", text, "file /jwt", NOW)


def test_tells_end_and_name():
    """The name is issuer and `jti`: two issuers may use the same."""
    one, same, other = (
        read(sign(jti="a", n=n, iss=iss)) for n, iss in ((1, "i"), (2, "i"), (2, "j"))
    )

    assert one.expires_at == int(NOW) + 60
    assert one.digest == same.digest != other.digest
    assert read(sign()).digest is None


@pytest.mark.parametrize(
    ("text", "complaint", "kind"),
    [
        (sign(exp=int(NOW) - 5), "expired 5 s ago", Kind.PROVIDER_REFUSED),
        (sign("HS256", "k" * 32), "not signed by ES, RS or PS", Kind.FIX_CONFIGURATION),
        (jwt.encode({"iss": "i"}, KEY, algorithm="ES256"), "has no expiry", Kind.FIX_CONFIGURATION),
        (sign(big="x" * 16_384), "more than 16 KiB", Kind.FIX_CONFIGURATION),
        ("", "holds no JWT", Kind.FIX_CONFIGURATION),
        (canary("a"), "holds no JWT", Kind.FIX_CONFIGURATION),
        (f"eyJ{canary('b')}.x.y", "holds no JWT", Kind.FIX_CONFIGURATION),
        (f"sk-ant-oat01-{canary('c')}", "a token of Anthropic, not a JWT", Kind.FIX_CONFIGURATION),
    ],
    ids=["expired", "symmetric", "endless", "long", "empty", "text", "half", "token"],
)
def test_what_would_be_refused_is_not_sent(text, complaint, kind):
    """The message names the source and nothing of what lies there."""
    with pytest.raises(BrokerError, match=complaint) as caught:
        read(text)

    assert (caught.value.kind, caught.value.failure.sent) == (kind, "no")
    assert "file /jwt" in caught.value.message
    assert MARK not in f"{caught.value} {caught.value.__context__}"
