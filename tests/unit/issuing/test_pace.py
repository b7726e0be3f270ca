"""Some at once, then one in each interval, for each key by itself."""

from __future__ import annotations

import pytest

from credward.issuing.pace import Pace


def test_some_at_once_then_one_in_each_interval() -> None:
    """Who waits as long as was said gets one, and only one."""
    pace = Pace(burst=3, interval=6.0)

    assert [pace.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert pace.take("a", 101.0) == 5.0
    assert pace.take("a", 106.0) == 0.0
    assert pace.take("a", 106.0) == 6.0


def test_others_have_their_own() -> None:
    """One that asks too often costs nobody else anything."""
    pace = Pace(burst=1, interval=6.0)

    assert pace.take("a", 0.0) == 0.0
    assert pace.take("b", 0.0) == 0.0
    assert pace.take("a", 0.0) == 6.0


@pytest.mark.parametrize("later", [18.0, 1e6])
def test_a_full_bucket_holds_no_more_than_at_first(later: float) -> None:
    """However long nobody asked."""
    pace = Pace(burst=3, interval=6.0)
    for _ in range(4):
        pace.take("a", 0.0)

    assert [pace.take("a", later) for _ in range(4)] == [0.0, 0.0, 0.0, 6.0]
