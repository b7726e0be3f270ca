"""The closed table of error kinds."""

import pytest

from credward.errors import BrokerError, Failure, Kind, Recovery, login_required


def test_slugs_are_unique_and_codes_are_sysexits() -> None:
    """One word, one meaning; codes lie where shells do not use them."""
    assert len({kind.slug for kind in Kind}) == len(Kind)
    assert all(64 <= kind.exit_code <= 78 for kind in Kind)


def test_kinds_that_never_travel_have_no_status() -> None:
    """`not-running` and `already-running` are said by the client side only."""
    assert {kind for kind in Kind if kind.status == 0} == {Kind.NOT_RUNNING, Kind.ALREADY_RUNNING}


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)
def test_each_kind_is_found_by_its_slug_and_has_a_recovery(kind: Kind) -> None:
    """There and back; what clears it is never left open."""
    assert Kind.from_slug(kind.slug) is kind
    assert Failure.of(kind, "x").recovery in Recovery


def test_an_unknown_slug_of_a_newer_daemon_is_internal() -> None:
    """Unknown words do not break an old client."""
    assert Kind.from_slug("quantum") is Kind.INTERNAL


def test_a_login_is_what_clears_login_required() -> None:
    """The recovery of a kind can be overridden where the provider knows better."""
    assert Failure.of(Kind.LOGIN_REQUIRED, "x").recovery is Recovery.REAUTHORIZE
    refused = BrokerError(Kind.PROVIDER_REFUSED, "x", recovery=Recovery.FIX_CONFIGURATION)

    assert refused.failure.recovery is Recovery.FIX_CONFIGURATION
    assert repr(refused) == "BrokerError(provider-refused: x)"


def test_a_failure_is_raised_as_an_exception_of_its_own_each_time() -> None:
    """What is kept is the value: an exception holds on to the frames that it passed."""
    failure = Failure.of(
        Kind.TIMED_OUT,
        "too late",
        hint="h",
        retry_after=2.0,
        recovery=Recovery.REAUTHORIZE,
        sent="maybe",
        challenge="c",
        local=True,
    )
    one, other = failure.error(), failure.error()

    assert one is not other
    assert (one.failure, other.failure) == (failure, failure)
    assert (failure.unsent().sent, failure.sent) == ("no", "maybe")
    assert Failure.of(Kind.INTERNAL, "m").on_this_machine().local


def test_the_parts_of_a_failure_become_one_line() -> None:
    """Cause, since when, reason, remedy, what else; a cause without a remedy says it all."""
    failure = login_required("gateway", reason="invalid_grant")

    assert failure.message == '"gateway" needs a login (invalid_grant): run credward login gateway'
    assert failure.line("07:58") == (
        '"gateway" needs a login since 07:58 (invalid_grant): run credward login gateway'
    )
    assert login_required("az", remedy="run az login").line() == '"az" needs a login: run az login'
    assert Failure.of(Kind.INTERNAL, "a: b", since=1.0).line("07:58") == "a: b"
    assert failure.happened == '"gateway" needs a login (invalid_grant)'
    assert Failure.of(Kind.INTERNAL, "a: b", also="c").message == "a: b; c"
    more = login_required("az", remedy="run az login", also="c").error()
    assert more.message == '"az" needs a login: run az login; c'
    assert failure.error().failure == failure
