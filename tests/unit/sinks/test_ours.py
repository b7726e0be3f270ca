"""What is ours is known by its content, and the record tells nothing of it."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.errors import Kind
from credward.sinks.ours import NotOursError, claimed, marks_of, not_ours

REFUSAL = not_ours('"/f"', "move it away")
contents = st.binary(max_size=64)


@given(old=contents, new=contents, other=contents)
def test_it_is_ours_if_we_wrote_just_that(old: bytes, new: bytes, other: bytes) -> None:
    """While the new one replaces the old one, either is; nothing else is, and nothing at all is not."""
    ours = marks_of(old, bytearray(new))

    assert set(claimed(ours, old, REFUSAL) + claimed(ours, new, REFUSAL)) == set(ours)
    assert claimed(ours, None, REFUSAL) == ()
    if other not in {old, new}:
        with pytest.raises(NotOursError) as caught:
            claimed(ours, other, REFUSAL)
        assert caught.value is REFUSAL
    with pytest.raises(NotOursError):
        claimed((), old, REFUSAL)


@given(content=contents, at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_every_bit_counts(content: bytes, at: int, bit: int) -> None:
    changed = bytearray(content or b"x")
    ours = marks_of(changed)
    changed[at % len(changed)] ^= 1 << bit

    for other in (changed, changed + b"\n", changed[:-1]):
        with pytest.raises(NotOursError):
            claimed(ours, bytes(other), REFUSAL)


@given(content=contents, damage=st.text(max_size=8))
def test_a_damaged_mark_fits_nothing(content: bytes, damage: str) -> None:
    (mark,) = marks_of(content)
    for broken in (damage, damage + ":", ":" + damage, mark[:-1], mark + "0"):
        with pytest.raises(NotOursError):
            claimed((broken,), content, REFUSAL)


def test_two_marks_of_one_token_do_not_look_alike() -> None:
    """Nor does a mark say what a plain digest would."""
    one, two = marks_of(b"token", b"token")

    assert one.split(":")[0] != two.split(":")[0]
    assert one.split(":")[1] != two.split(":")[1]
    assert hashlib.sha256(b"token").hexdigest() not in one
    salt, digest = one.split(":")
    assert hmac.digest(salt.encode(), b"token", "sha256").hex() == digest


def test_a_refusal_says_what_to_do() -> None:
    assert REFUSAL.failure.kind is Kind.FIX_CONFIGURATION
    assert REFUSAL.message == (
        '"/f" was written or changed by somebody else: move it away, then run '
        "credward daemon reload"
    )
