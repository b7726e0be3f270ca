"""What is done with a sink, and when."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.sinks.state import (
    Facts,
    SinkState,
    Step,
    Written,
    either,
    next_step,
    pause,
    state_of,
    wake_at,
)

NOW = 1000.0
ONE = Written(credential="a", token_id="one", ends_at=2000.0, at=900.0, look="l")
EARLIER = Written(credential="a", token_id="one", ends_at=2000.0, at=900.0, look="l", earlier=True)
WRITING = frozenset({Step.WRITE})
HELD = Facts(current="one", look="l", written=ONE, usable=True)


@pytest.mark.parametrize(
    ("facts", "step", "state"),
    [
        (Facts(), Step.REST, SinkState.EMPTY),
        (Facts(current="one", look="l"), Step.WRITE, SinkState.EMPTY),
        (HELD, Step.REST, SinkState.FRESH),
        (Facts(current="two", look="l", written=ONE, usable=True), Step.WRITE, SinkState.STALE),
        (Facts(look="l", written=ONE, usable=True, failing=True), Step.REST, SinkState.STALE),
        (Facts(look="l", written=EARLIER, usable=True), Step.REST, SinkState.FRESH),
        (Facts(current="one", look="m", written=ONE), Step.WRITE, SinkState.EMPTY),
        (Facts(look="m", written=ONE), Step.REMOVE, SinkState.EMPTY),
        (
            Facts(locked=True, current="one", look="l", written=ONE, usable=True),
            Step.REMOVE,
            SinkState.LOCKED,
        ),
        (Facts(locked=True, current="one", look="l"), Step.REST, SinkState.LOCKED),
        (
            Facts(denied=True, current="one", look="l", written=ONE, usable=True),
            Step.REMOVE,
            SinkState.DENIED,
        ),
        (Facts(stands_in=True, failing=True), Step.WRITE, SinkState.EMPTY),
    ],
)
def test_a_step_follows_from_facts(facts: Facts, step: Step, state: SinkState) -> None:
    assert next_step(facts, NOW) is step
    assert state_of(facts, NOW) is state


def test_a_write_that_failed_waits_but_a_removal_does_not() -> None:
    failed = Facts(
        current="two", look="l", written=ONE, usable=True, failed=WRITING, not_before=1005.0
    )

    assert next_step(failed, NOW) is Step.REST
    assert next_step(failed, 1005.0) is Step.WRITE
    assert wake_at(failed, NOW) == 1005.0
    # The token in it ends meanwhile.
    assert next_step(failed, 2000.0) is Step.WRITE
    late = Facts(
        current="two", look="l", written=ONE, usable=True, failed=WRITING, not_before=2100.0
    )
    assert next_step(late, 2000.0) is Step.REMOVE
    both = _with(late, failed=WRITING | {Step.REMOVE})
    assert next_step(both, 2000.0) is Step.REST
    assert next_step(both, 2100.0) is Step.WRITE


def test_what_an_earlier_run_wrote_is_looked_at_when_it_ends() -> None:
    """Nobody else tells its end; that of a token of this run is told by the lifecycle."""
    assert wake_at(Facts(look="l", written=EARLIER, usable=True), NOW) == 2000.0
    assert wake_at(HELD, NOW) == math.inf
    assert next_step(Facts(look="l", written=EARLIER, usable=True), 2000.0) is Step.REMOVE


def test_pauses_grow_and_end() -> None:
    assert [pause(number) for number in (1, 2, 3)] == [5.0, 10.0, 20.0]
    assert pause(1000) == 300.0


_ids = st.sampled_from(["one", "two", "three"])
_times = st.floats(0, 4000)
_written = st.builds(
    Written,
    credential=st.just("a"),
    token_id=_ids,
    ends_at=_times | st.just(math.inf) | st.just(-math.inf),
    at=_times,
    look=st.sampled_from(["l", "m"]),
    earlier=st.booleans(),
)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    written = draw(st.none() | _written)
    look = draw(st.sampled_from(["l", "m"]))
    return Facts(
        locked=draw(st.booleans()),
        denied=draw(st.booleans()),
        current=draw(st.none() | _ids),
        look=look,
        written=written,
        usable=written is not None and written.look == look,
        stands_in=draw(st.booleans()),
        failing=draw(st.booleans()),
        failed=draw(st.frozensets(st.sampled_from([Step.WRITE, Step.REMOVE]))),
        not_before=draw(_times | st.just(-math.inf)),
    )


@given(found=facts(), now=_times)
def test_what_must_not_be_used_is_removed_or_replaced(found: Facts, now: float) -> None:
    """Unless just that failed a moment ago."""
    written = found.written
    bad = written is not None and (
        found.locked or found.denied or now >= written.ends_at or written.look != found.look
    )
    step = next_step(found, now)
    if bad and not now < found.not_before:
        assert step is not Step.REST
    if bad and now < found.not_before and Step.REMOVE not in found.failed:
        assert step is not Step.REST


@given(found=facts(), now=_times)
def test_nothing_is_written_that_may_not_be(found: Facts, now: float) -> None:
    """Nor what is there already: each write is a token handed out."""
    if next_step(found, now) is not Step.WRITE:
        return
    assert not (found.locked or found.denied)
    same = found.written is not None and found.written.token_id == found.current
    assert not (same and found.usable)
    assert found.current is not None or found.stands_in


@given(found=facts(), now=_times)
def test_a_good_token_is_never_removed(found: Facts, now: float) -> None:
    """Guarantee 3: neither a failure nor a pause takes away what may be used."""
    written = found.written
    good = written is not None and found.usable and now < written.ends_at
    if good and not (found.locked or found.denied):
        assert next_step(found, now) is not Step.REMOVE


@given(found=facts(), now=_times)
def test_work_ends(found: Facts, now: float) -> None:
    """After a removal nothing is there to remove, after a write nothing to write."""
    match next_step(found, now):
        case Step.REMOVE:
            done = _with(found, written=None, usable=False, failed=frozenset())
            assert next_step(done, now) is not Step.REMOVE
        case Step.WRITE:
            fresh = Written(
                credential="a",
                token_id=found.current or "other",
                ends_at=math.inf,
                at=now,
                look=found.look,
            )
            done = _with(found, written=fresh, usable=True, failed=frozenset())
            assert next_step(done, now) is Step.REST


@given(found=facts(), now=_times)
def test_failures_end_too(found: Facts, now: float) -> None:
    """Two steps that fail in turn do not go on without a pause."""
    found = _with(found, not_before=now + 5.0)
    taken: list[Step] = []
    while (step := next_step(found, now)) is not Step.REST:
        taken.append(step)
        found = _with(found, failed=found.failed | {step})

    assert len(taken) <= 2


@given(old=_written, new=_written)
def test_while_one_replaces_the_other_only_what_is_true_of_both_counts(
    old: Written, new: Written
) -> None:
    """A withdrawn token is past in the record too, which knows no time before 1970."""
    found = either(old, new)

    if found is None:
        assert old.look != new.look
    else:
        assert (found.token_id, found.look) == ("", old.look)
        assert found.ends_at >= 0.0
        assert all(found.ends_at <= max(0.0, each.ends_at) for each in (old, new))
    assert either(None, new) is None


@given(found=facts(), now=_times)
def test_a_sleeper_misses_nothing(found: Facts, now: float) -> None:
    """What changes by time alone changes at the instant that is told."""
    if found.written is not None and not found.written.earlier:
        return
    at = wake_at(found, now)
    assert at > now
    if math.isinf(at) or at - now < 1e-3:
        return
    between = now + (at - now) / 2
    assert next_step(found, between) is next_step(found, now)


def _with(found: Facts, **fields: object) -> Facts:
    import msgspec

    return msgspec.structs.replace(found, **fields)
