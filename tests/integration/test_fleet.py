"""The fleet of `fleet`, smaller and shorter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from integration.fleet import Size, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def test_a_fleet_is_kept_fresh_at_an_even_pace(tmp_path: Path) -> None:
    """Each token is renewed at seven tenths of its life, nobody waits, no login is used twice at once."""
    size = Size(roles=16, applications=4, users=4, life=12.0, lifetimes=1.2, idle_after=2.0)
    result = run(tmp_path, size)

    assert result.failures == []
    assert (result.overlaps, result.refused) == (0, 0)
    assert result.too_often == {}
    # A busy machine renews later, for each mint takes its time of a life as short as this.
    assert 0.62 <= result.typical_gap <= 0.9
    # A login is renewed when its margin says so, and not by each of its roles.
    assert 1 <= result.renewals <= 4
    # Not a number where this user may not look.
    assert not abs(result.memory.grown) > 2.0
    assert (result.after_demand, result.workers_left) == (0, 0)
