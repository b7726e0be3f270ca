"""Who begins, watches, answers and ends a login; end to end is test_logins and test_agents."""

from __future__ import annotations

import json

import msgspec
import pytest

from credward.errors import Kind
from fakes.clock import FakeClock
from unit.administering.services import AGENT, PERSON, Services, Settings, refusal
from unit.grants.rig import GRANT


async def test_a_name_is_that_of_a_credential_or_of_a_grant(services: Services) -> None:
    """Whatever else is meant is guessed."""
    first, _ = await services.log_in(name="second")
    again, attached = await services.log_in(name=GRANT)

    assert (again, attached) == (first, True)
    text = await refusal(services.log_in(name="gatway"), Kind.UNKNOWN_CREDENTIAL)
    assert 'perhaps "gateway"' in text


async def test_an_agent_begins_one_login_a_minute_and_joins_any(services: Services) -> None:
    """Its owner begins as many as he likes."""
    first, _ = await services.log_in(AGENT)
    assert (await services.log_in(AGENT))[1]
    await services.login_service.give_up_login(AGENT, first.id)
    text = await refusal(services.log_in(AGENT), Kind.RATE_LIMITED)
    assert "in a terminal of your own" in text
    owners, attached = await services.log_in()
    assert not attached
    assert (await services.log_in(AGENT)) == (owners, True)
    await services.login_service.give_up_login(PERSON, owners.id)
    assert isinstance(services.clock, FakeClock)
    services.clock.advance(61)

    assert not (await services.log_in(AGENT))[1]
    assert services.outcomes() == ["login-started", "login-given-up"] * 2 + ["login-started"]


async def test_an_agent_has_no_part_in_the_login_of_its_owner(services: Services) -> None:
    """It sees that there is one, and neither answers nor ends it, by whichever name."""
    session, _ = await services.log_in()
    manage = services.login_service

    assert await manage.watch(AGENT, session.id) == (session, False)
    await refusal(manage.take_part(AGENT, session.id), Kind.DENIED)
    await refusal(manage.give_up_login(AGENT, session.id), Kind.DENIED)
    await refusal(manage.give_up_login_of(AGENT, GRANT), Kind.DENIED)
    assert services.logins.under_way(GRANT) is session


async def test_its_owner_has_a_part_in_the_login_of_an_agent(services: Services) -> None:
    """Ended by any name of the grant, and only once."""
    session, _ = await services.log_in(AGENT)
    manage = services.login_service
    assert await manage.watch(AGENT, session.id) == (session, True)
    assert await manage.take_part(AGENT, session.id) is session
    credential, given_up = await manage.give_up_login_of(PERSON, "second")

    assert (credential.name, given_up) == (GRANT, True)
    assert session.ended_at is not None
    credential, given_up = await manage.give_up_login_of(PERSON, "second")
    assert (credential.name, given_up) == ("second", False)
    await manage.give_up_login(PERSON, session.id)
    assert services.outcomes() == ["login-started", "login-given-up"]


async def test_a_login_that_an_agent_began_does_not_change_whose_grant_it_is(
    services: Services,
) -> None:
    """It renews that of the same account; nobody's becomes anybody's."""
    assert await services.give("alice", AGENT) == "done"
    assert isinstance(services.clock, FakeClock)
    services.clock.advance(61)
    assert "stays with its account" in await services.give("mallory", AGENT)
    assert services.side.record.account == "alice"
    services.clock.advance(61)
    assert await services.give("alice", AGENT) == "done"
    assert await services.give("bob") == "done"

    assert services.side.record.account == "bob"


@pytest.mark.parametrize(("account", "kept"), [("alice", True), ("bob", False)])
async def test_tokens_of_one_account_are_not_handed_to_another(
    services: Services, account: str, kept: bool
) -> None:
    """They outlive a new login of the same one."""
    await services.give("alice")
    before = await services.token()
    await services.give(account)

    assert (await services.token() == before) is kept


async def test_claims_are_for_providers_that_know_them(services: Services) -> None:
    """And a JSON object."""
    text = await refusal(services.log_in(claims="{}"), Kind.BAD_REQUEST)
    assert "knows no claims challenges" in text
    services.configure(
        msgspec.structs.replace(
            services.config.credentials[GRANT], settings=Settings(), provider="entra"
        )
    )
    for claims in ("[]", "nonsense", json.dumps({"x": "y" * 5000})):
        await refusal(services.log_in(claims=claims), Kind.BAD_REQUEST)
    session, _ = await services.log_in(claims='{"access_token": {}}')
    assert session.claims == '{"access_token": {}}'
