"""Chains as the configuration has them, and windows that close when their reason is gone."""

from __future__ import annotations

import msgspec
import pytest

from credward.callers.caller import Caller, Process
from credward.config import Config, CredentialConfig
from credward.errors import Failure, Kind, Recovery
from credward.issuing.fallbacks import Fallbacks
from credward.lifecycle.failover import WindowState
from credward.lifecycle.vocabulary import Reason, State, Verdict, View
from fakes.clock import FakeClock

DOWN = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
LOGIN = Failure.of(Kind.LOGIN_REQUIRED, "log in")
NOBODY = Caller(uid=1, gid=1, pid=7)
AGENT = Caller(uid=1, gid=1, pid=8, agent=Process(pid=5, start_time=50, name="claude"))


def credential(name: str, *fallback: str, epoch: str = "e") -> CredentialConfig:
    return CredentialConfig(
        name=name,
        provider="command",
        settings=msgspec.Struct(),
        epoch=epoch,
        grant=name,
        fallback=fallback,
    )


class Bench:
    """Fallbacks over states that a test sets."""

    def __init__(self) -> None:
        self.clock = FakeClock(1000.0)
        self.views: dict[str, View] = {}
        self.fallbacks = Fallbacks(clock=self.clock, view=self.view, holds=self.holds)
        self.configure(credential("a", "b", "d"), credential("b", "c"), *map(credential, "cd"))

    def configure(self, *credentials: CredentialConfig) -> None:
        self.config = Config(credentials={each.name: each for each in credentials})

    def view(self, name: str) -> View:
        return self.views.get(name) or View(credential=name, state=State.EMPTY, grant=name)

    def set(self, name: str, state: State, **words: object) -> None:
        self.views[name] = View(credential=name, state=state, grant=name, **words)  # type: ignore[arg-type]

    def holds(self, name: str, token_id: str) -> bool:
        return self.view(name).token_id == token_id

    def order(self, caller: Caller = NOBODY) -> str:
        return "".join(self.fallbacks.order(self.config, self.config.credentials["a"], caller))

    def fail(self, name: str, failure: Failure = DOWN) -> None:
        self.set(name, State.EMPTY, failure=failure)
        self.fallbacks.failed(self.config.credentials[name], failure)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_fallback_brings_its_own_fallbacks_after_it(bench: Bench) -> None:
    """Depth first, each once."""
    assert bench.order() == "abcd"
    bench.configure(credential("a", "b", "c"), credential("b", "c"), credential("c"))

    assert bench.order() == "abc"


def test_a_login_ends_the_window_of_a_parked_entry(bench: Bench) -> None:
    """Whoever gave it: what counts is that the lifecycle parks it no more."""
    bench.fail("a", LOGIN)
    bench.set("a", State.PARKED, failure=LOGIN)
    assert bench.order() == "bcd"
    bench.set("a", State.EMPTY)

    assert bench.order() == "abcd"


def test_a_token_that_came_meanwhile_ends_a_cooldown(bench: Bench) -> None:
    """A refresh in the background succeeded; an entry that is only being tried is left alone."""
    bench.fail("a")
    bench.set("a", State.MINTING)
    assert bench.order() == "bcd"
    bench.set("a", State.FRESH)

    assert bench.order() == "abcd"


def test_g9_a_rejected_key_is_left_alone_while_it_is(bench: Bench) -> None:
    """Until its time is over, or it was replaced: the lifecycle says so by another state."""
    refused = Failure.of(
        Kind.PROVIDER_REFUSED, "refused", recovery=Recovery.FIX_CONFIGURATION, retry_after=120
    )
    bench.fail("a", refused)
    verdict = Verdict(token_id="t", reason=Reason.UNAUTHORIZED, since=990, until=1120, final=True)
    bench.set("a", State.REJECTED, failure=refused, verdict=verdict)
    assert bench.order() == "bcd"
    (told,) = bench.fallbacks.unusable(bench.config)
    assert (told.state, told.reason, told.since) == (WindowState.DISABLED, "unauthorized", 990)
    assert (told.until, told.remaining) == (1120, 120)
    bench.set("a", State.EMPTY)

    assert bench.order() == "abcd"
    assert bench.fallbacks.unusable(bench.config) == []


def test_g9_a_new_secret_ends_a_cooldown(bench: Bench) -> None:
    """What the entry failed with is not known of it any more."""
    bench.fail("a", Failure.of(Kind.PROVIDER_REFUSED, "no quota", retry_after=5000))
    assert bench.order() == "bcd"
    bench.set("a", State.EMPTY)

    assert bench.order() == "abcd"


def test_the_agent_is_the_session(bench: Bench) -> None:
    """All its helpers stay with one entry; who has no agent begins at the beginning."""
    entries = bench.config.credentials
    bench.fallbacks.served(bench.config, entries["a"], entries["b"], AGENT)

    assert bench.order(AGENT) == "bacd"
    assert bench.order(NOBODY) == "abcd"


def test_a_token_is_found_by_its_id_else_by_its_session(bench: Bench) -> None:
    """A caller that reports a token knows only the name that it asked for."""
    asked = bench.config.credentials["a"]
    bench.set("c", State.FRESH, token_id="of-c")
    bench.fallbacks.served(bench.config, asked, bench.config.credentials["b"], AGENT)

    def meant(caller: Caller, token_id: str | None) -> str:
        return bench.fallbacks.meant(bench.config, asked, caller, token_id)

    assert meant(NOBODY, "of-c") == "c"
    assert meant(AGENT, "of-c") == "c"
    assert meant(AGENT, None) == "b"
    assert meant(AGENT, "of nobody") == "b"
    assert meant(NOBODY, None) == "a"


def test_a_changed_entry_begins_without_a_window(bench: Bench) -> None:
    """By reload, the usual way out of a broken configuration; a late failure is about the old."""
    old = bench.config.credentials["a"]
    bench.fail("a", Failure.of(Kind.FIX_CONFIGURATION, "mend it"))
    bench.configure(credential("a", "b", epoch="e2"), credential("b"))
    assert bench.order() == "ab"
    bench.fallbacks.failed(old, DOWN)

    assert bench.order() == "ab"


def test_the_failure_of_the_one_asked_for_says_when_to_come_back(bench: Bench) -> None:
    """A cooldown has a time, a login has none."""
    asked = bench.config.credentials["a"]
    assert bench.fallbacks.failure_of(asked) is None
    bench.fail("a")
    bench.clock.advance(10)
    failure = bench.fallbacks.failure_of(asked)
    assert failure is not None
    assert (failure.kind, failure.retry_after) == (Kind.PROVIDER_UNREACHABLE, 20)
    bench.fail("b", LOGIN)

    told = bench.fallbacks.failure_of(bench.config.credentials["b"])
    assert told is not None
    assert (told.message, told.retry_after) == ("log in", None)


def test_what_is_unusable_is_listed_with_its_end(bench: Bench) -> None:
    """By window, and by state where nobody asked for it by a chain."""
    bench.fail("a")
    bench.fail("b", LOGIN)
    bench.set("b", State.PARKED, failure=LOGIN)
    bench.set("c", State.EMPTY, failure=DOWN, retry_at=1002.5)
    bench.set("d", State.STALE, failure=DOWN, retry_at=1002.5)
    listed = bench.fallbacks.unusable(bench.config)

    assert [(each.credential, each.state, each.until, each.remaining) for each in listed] == [
        ("a", WindowState.COOLDOWN, 1030, 30),
        ("b", WindowState.DISABLED, None, None),
        ("c", WindowState.COOLDOWN, 1002.5, 2.5),
    ]


def test_a_grant_parked_before_the_start_is_listed_too(bench: Bench) -> None:
    """Nobody has asked for it in this life of the daemon."""
    bench.set("d", State.PARKED, failure=LOGIN)

    (only,) = bench.fallbacks.unusable(bench.config)
    assert (only.credential, only.state, only.until) == ("d", WindowState.DISABLED, None)
