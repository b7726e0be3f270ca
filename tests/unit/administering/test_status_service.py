"""What may be seen: states of credentials and grants, and what was counted."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from credward.errors import BrokerError, Failure, Kind, login_required
from credward.issuing.released import Released
from credward.store.journal import GrantFields
from credward.tokens import TokenRequest
from unit.administering.services import AGENT, OWNER, PERSON, Peer, Services
from unit.grants.rig import GRANT


async def issue(services: Services) -> None:
    deadline = asyncio.get_running_loop().time() + 60
    answer = services.asked.issuer.issue(PERSON, TokenRequest(credential=GRANT), deadline)
    released = answer if isinstance(answer, Released) else await answer
    released.open()


async def test_each_credential_with_its_state_and_its_grant(services: Services) -> None:
    """Fresh after an ask; who asked is said, no secret is."""
    await issue(services)
    seen = await services.asked.status.statuses(PERSON)
    states = {each.name: each.state for each in seen.credentials}
    (gateway,) = [each for each in seen.credentials if each.name == GRANT]

    assert states == {"gateway": "fresh", "second": "parked", "plain": "empty"}
    assert (gateway.last_asked_by, gateway.last_asked_in, gateway.asks) == ("credward", None, 1)
    assert [each.name for each in seen.grants] == [GRANT]
    assert not seen.locked


async def test_just_after_the_start_it_waits_for_the_store(services: Services) -> None:
    """Until then a login that is there would be shown as none."""
    known = services.side.opened_store._known
    known.clear()
    asked = asyncio.create_task(services.asked.status.statuses(PERSON))
    await asyncio.sleep(0.05)
    assert not asked.done()

    known.set()
    assert (await asked).credentials


async def test_a_locked_store_shows_in_every_state(services: Services) -> None:
    """Whatever lies behind it."""
    services.side.opened_store.shut()
    seen = await services.asked.status.statuses(PERSON)

    assert seen.locked
    assert {each.state for each in (*seen.credentials, *seen.grants)} == {"locked"}


async def test_what_gives_no_token_now_is_listed(services: Services) -> None:
    """With the kind of its failure."""
    services.driver.grant_parked(GRANT, Failure.of(Kind.LOGIN_REQUIRED, "log in"))
    seen = await services.asked.status.statuses(PERSON)

    assert {each.credential for each in seen.unusable} >= {GRANT}
    assert {each.reason for each in seen.unusable} == {"login-required"}


async def test_how_the_last_login_failed_is_said_until_one_works(services: Services) -> None:
    """With the credential that needs it, with its grant, and to whoever asks for a token."""
    services.driver.grant_parked(GRANT, login_required(GRANT))
    services.login_waiters.login_failed(GRANT, Failure.of(Kind.TIMED_OUT, "nobody came"), 7.0)
    seen = await services.asked.status.statuses(PERSON)
    (gateway,) = [each for each in seen.credentials if each.name == GRANT]
    (grant,) = seen.grants
    with pytest.raises(BrokerError) as caught:
        await issue(services)

    line = (
        f'"{GRANT}" needs a login: run credward login {GRANT}; the last login failed: nobody came'
    )
    assert caught.value.message == line
    assert gateway.failure is not None
    assert gateway.failure.message == line
    assert grant.login_failure is not None
    assert (grant.login_failure.kind, grant.login_failure.message) == ("timed-out", "nobody came")
    assert grant.login_failed_at == 7.0
    await services.give("alice")
    (grant,) = (await services.asked.status.statuses(PERSON)).grants
    assert (grant.login_failure, grant.login_failed_at, grant.failure) == (None, None, None)


async def test_a_denial_is_seen_by_its_user_in_full_and_by_others_in_part(
    services: Services,
) -> None:
    """Rule and folder are the caller's business; that somebody was denied is everybody's."""
    stranger = Peer(msgspec.structs.replace(OWNER, uid=1001))
    with pytest.raises(BrokerError):
        services.asked.gate.authorize("Issue", stranger, TokenRequest(credential=GRANT))
    (seen,) = [
        each
        for each in (await services.asked.status.statuses(PERSON)).credentials
        if each.name == GRANT
    ]

    assert (seen.denied_at, seen.denied_to) == (services.clock.now(), "credward")
    assert (seen.denied_in, seen.denied_by, seen.denied_because) == (None, None, None)


async def test_counters_and_states_for_scrapers(services: Services) -> None:
    """In words of ours only."""
    await issue(services)
    text = services.asked.status.metrics()

    assert 'credward_answers_total{format="token",outcome="issued"} 1.0' in text
    assert 'credward_credentials{state="fresh"} 1.0' in text
    assert "credward_tokens_held 1.0" in text


async def test_only_what_signs_itself_has_keys(services: Services) -> None:
    """Others have an issuer that tells."""
    with pytest.raises(BrokerError, match="whose keys are not here") as caught:
        await services.asked.status.jwks(PERSON, GRANT)

    assert caught.value.kind is Kind.BAD_REQUEST
    assert services.asked.status.health().pid > 0


async def test_last_words_are_for_owners(services: Services) -> None:
    """Nothing before a failure; who may not manage learns nothing."""
    before = await services.asked.status.last_words(PERSON, GRANT)
    failure = Failure.of(Kind.PROVIDER_REFUSED, "refused", said="the last line")
    services.driver.grant_parked(GRANT, failure)
    after = await services.asked.status.last_words(PERSON, GRANT)
    listed = await services.asked.status.statuses(PERSON)

    assert (before.line, after.line) == ("", "the last line")
    assert "the last line" not in repr(listed) + repr(after)
    with pytest.raises(BrokerError) as caught:
        await services.asked.status.last_words(AGENT, GRANT)
    assert caught.value.kind is Kind.DENIED


async def test_a_login_that_no_credential_uses_is_a_warning(services: Services) -> None:
    """With the command that forgets it; none while the store is locked, nor for one in use."""
    fields = GrantFields(secret="rt", account="ann")
    for grant in (GRANT, "old"):
        await services.side.keeper.give(grant, "rotating", fields, bound_to="elsewhere")
    seen = await services.asked.status.statuses(PERSON)

    (warning,) = [each for each in seen.warnings if each.startswith("login ")]
    assert warning == (
        'login "old" of ann is kept, but no credential uses it: '
        "run credward logout old to forget it"
    )
    services.side.opened_store.shut()
    locked = await services.asked.status.statuses(PERSON)
    assert not [each for each in locked.warnings if each.startswith("login ")]
