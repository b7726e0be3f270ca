"""Who begins, watches, answers and ends a login; end to end is test_logins and test_agents."""

from __future__ import annotations

import dataclasses
import json

import pytest

from credward.errors import Kind
from fakes.clock import FakeClock
from unit.administering.services import AGENT, PERSON, Desks, Settings, refusal
from unit.grants.rig import GRANT


async def test_a_name_is_that_of_a_credential_or_of_a_grant(desks: Desks) -> None:
    """Whatever else is meant is guessed."""
    first, _ = await desks.log_in(name="second")
    again, attached = await desks.log_in(name=GRANT)

    assert (again, attached) == (first, True)
    text = await refusal(desks.log_in(name="gatway"), Kind.UNKNOWN_CREDENTIAL)
    assert 'perhaps "gateway"' in text


async def test_an_agent_begins_one_login_a_minute_and_joins_any(desks: Desks) -> None:
    """Its owner begins as many as he likes."""
    first, _ = await desks.log_in(AGENT)
    assert (await desks.log_in(AGENT))[1]
    await desks.login_desk.give_up_login(AGENT, first.id)
    text = await refusal(desks.log_in(AGENT), Kind.RATE_LIMITED)
    assert "in a terminal of your own" in text
    owners, attached = await desks.log_in()
    assert not attached
    assert (await desks.log_in(AGENT)) == (owners, True)
    await desks.login_desk.give_up_login(PERSON, owners.id)
    assert isinstance(desks.clock, FakeClock)
    desks.clock.advance(61)

    assert not (await desks.log_in(AGENT))[1]
    assert desks.outcomes() == ["login-started", "login-given-up"] * 2 + ["login-started"]


async def test_an_agent_has_no_part_in_the_login_of_its_owner(desks: Desks) -> None:
    """It sees that there is one, and neither answers nor ends it, by whichever name."""
    session, _ = await desks.log_in()
    manage = desks.login_desk

    assert await manage.watch(AGENT, session.id) == (session, False)
    await refusal(manage.take_part(AGENT, session.id), Kind.DENIED)
    await refusal(manage.give_up_login(AGENT, session.id), Kind.DENIED)
    await refusal(manage.give_up_login_of(AGENT, GRANT), Kind.DENIED)
    assert desks.logins.under_way(GRANT) is session


async def test_its_owner_has_a_part_in_the_login_of_an_agent(desks: Desks) -> None:
    """Ended by any name of the grant, and only once."""
    session, _ = await desks.log_in(AGENT)
    manage = desks.login_desk
    assert await manage.watch(AGENT, session.id) == (session, True)
    assert await manage.take_part(AGENT, session.id) is session
    credential, given_up = await manage.give_up_login_of(PERSON, "second")

    assert (credential.name, given_up) == (GRANT, True)
    assert session.ended_at is not None
    credential, given_up = await manage.give_up_login_of(PERSON, "second")
    assert (credential.name, given_up) == ("second", False)
    await manage.give_up_login(PERSON, session.id)
    assert desks.outcomes() == ["login-started", "login-given-up"]


async def test_a_login_that_an_agent_began_does_not_change_whose_grant_it_is(desks: Desks) -> None:
    """It renews that of the same account; nobody's becomes anybody's."""
    assert await desks.give("alice", AGENT) == "done"
    assert isinstance(desks.clock, FakeClock)
    desks.clock.advance(61)
    assert "stays with its account" in await desks.give("mallory", AGENT)
    assert desks.side.record.account == "alice"
    desks.clock.advance(61)
    assert await desks.give("alice", AGENT) == "done"
    assert await desks.give("bob") == "done"

    assert desks.side.record.account == "bob"


@pytest.mark.parametrize(("account", "kept"), [("alice", True), ("bob", False)])
async def test_tokens_of_one_account_are_not_handed_to_another(
    desks: Desks, account: str, kept: bool
) -> None:
    """They outlive a new login of the same one."""
    await desks.give("alice")
    before = await desks.token()
    await desks.give(account)

    assert (await desks.token() == before) is kept


async def test_claims_are_for_providers_that_know_them(desks: Desks) -> None:
    """And a JSON object."""
    text = await refusal(desks.log_in(claims="{}"), Kind.BAD_REQUEST)
    assert "knows no claims challenges" in text
    desks.configure(
        dataclasses.replace(desks.config.credentials[GRANT], settings=Settings(), provider="entra")
    )
    for claims in ("[]", "nonsense", json.dumps({"x": "y" * 5000})):
        await refusal(desks.log_in(claims=claims), Kind.BAD_REQUEST)
    session, _ = await desks.log_in(claims='{"access_token": {}}')
    assert session.claims == '{"access_token": {}}'
