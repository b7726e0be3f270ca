"""The lines between daemon and worker."""

from __future__ import annotations

import msgspec
import pytest

from credward.errors import Failure, Kind, Recovery
from credward.tokens import Secret
from credward.workers.link import (
    MAX_LINE,
    Failed,
    Hello,
    Minted,
    MintedToken,
    MintRequest,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)


def test_a_request_survives_the_way():
    """With its grant as a secret at both ends."""
    sent = MintRequest(
        credential="a",
        settings={"command": ("x", "y"), "lifetime": 1.5},
        audience="aud",
        scopes=["s"],
        grant=Secret("the-grant"),
        now=17.0,
        used_proofs=["p"],
    )

    line = encode_request(sent)
    received = decode_request(line)

    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert (received.credential, received.audience, received.scopes, received.now) == (
        "a",
        "aud",
        ["s"],
        17.0,
    )
    assert received.settings == {"command": ["x", "y"], "lifetime": 1.5}
    assert received.used_proofs == ["p"]
    assert received.grant is not None
    assert received.grant.reveal() == "the-grant"
    assert "the-grant" not in repr(sent) + repr(received)


def test_answers_survive_the_way():
    """Each of the three kinds is told from the others."""
    minted = Minted(token=msgspec.Raw(b'"t"'), kind="bearer", issued_at=1.0, expires_at=None)
    failure = Failure.of(
        Kind.RATE_LIMITED,
        "m",
        hint="h",
        retry_after=3.0,
        recovery=Recovery.REAUTHORIZE,
        sent="maybe",
        challenge="c",
        local=True,
    )
    failed = Failed.of(failure)
    for answer in (Hello(version="1", provider="p"), minted, failed):
        assert type(decode_answer(encode_answer(answer)[:-1])) is type(answer)

    assert failure == decode_answer(encode_answer(failed)[:-1]).failure()


def test_a_line_longer_than_the_cap_is_not_sent():
    """The other end would cut it off."""
    request = MintRequest(credential="a", settings={"x": "y" * MAX_LINE}, now=0.0)

    with pytest.raises(ValueError, match="longer than"):
        encode_request(request)


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"null", b'{"type":"other"}', b'{"type":"minted"}', b"\xff", b'{"type":']
)
def test_garbage_is_a_decode_error(line):
    """One exception type for whatever the far end says."""
    with pytest.raises(msgspec.DecodeError):
        decode_answer(line)


def test_a_minted_token_does_not_show_its_body():
    """A traceback with locals must not leak it."""
    token = MintedToken(
        body=bytearray(b"canary"), token_id="i", kind="bearer", issued_at=0.0, expires_at=None
    )

    assert "canary" not in repr(token)


def test_unknown_fields_are_ignored():
    """Ends of one version only talk to each other, but a field more must not break a hello."""
    assert decode_answer(b'{"type":"hello","version":"1","provider":"p","more":1}') == Hello(
        version="1", provider="p"
    )
