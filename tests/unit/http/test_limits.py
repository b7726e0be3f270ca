"""The arithmetic of descriptors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.http.limits import Limits, budget_for


@pytest.mark.parametrize(
    ("descriptors", "pause_at", "resume_at"), [(64, 16, 12), (1024, 496, 372), (65_536, 2048, 1536)]
)
def test_leaves_room_below_the_limit(descriptors, pause_at, resume_at):
    """Accepting stops where the descriptors would end, and goes on with a quarter to spare."""
    budget = budget_for(Limits(), descriptors=descriptors, already_open=8)

    assert (budget.pause_at, budget.resume_at) == (pause_at, resume_at)


@given(st.integers(64, 10**6), st.integers(0, 30))
def test_r6_never_reaches_the_limit(descriptors, already_open):
    """R6: a full house and the rest of the process fit below the limit."""
    limits = Limits(spare_descriptors=16)
    budget = budget_for(limits, descriptors=descriptors, already_open=already_open)
    used = already_open + 2 * budget.pause_at

    assert used + limits.spare_descriptors <= descriptors + 8
    assert 0 < budget.resume_at <= budget.pause_at
