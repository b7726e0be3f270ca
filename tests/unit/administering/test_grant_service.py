"""What becomes of a grant that is given, given up or dropped; end to end is test_grants."""

from __future__ import annotations

import msgspec
import pytest

from credward.administering.leftovers import unused_grants
from credward.config import Config
from credward.errors import Failure, Kind
from credward.store.journal import GrantFields
from credward.tokens import Secret
from unit.administering.services import AGENT, OWNER, PERSON, Services, Settings, refusal
from unit.grants.rig import GRANT


async def test_a_handed_over_grant_is_told_to_whom_it_is(services: Services) -> None:
    """And how many were turned away without it: once."""
    services.login_waiters.note(GRANT, OWNER)
    grant, given = await services.grant_service.import_grant(PERSON, "second", Secret(" rt-1\n"))

    assert (grant, services.side.record.secret) == (GRANT, "rt-1")
    assert set(given.credentials) == {GRANT, "second"}
    assert (given.durable, given.turned_away) == (True, 1)
    _, again = await services.grant_service.import_grant(PERSON, "second", Secret("rt-2"))
    assert again.turned_away == 0


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "x" * 32_769])
async def test_what_is_no_grant_is_not_kept(services: Services, text: str) -> None:
    """Nor is any for a credential that needs none, nor from an agent."""
    import_grant = services.grant_service.import_grant
    await refusal(import_grant(PERSON, GRANT, Secret(text)), Kind.BAD_REQUEST)
    await refusal(import_grant(PERSON, "plain", Secret("rt")), Kind.BAD_REQUEST)
    await refusal(import_grant(AGENT, GRANT, Secret("rt")), Kind.DENIED)

    assert services.side.keeper.peek(GRANT) is None
    assert services.outcomes() == ["denied"]


async def test_a_grant_of_another_server_is_forgotten_and_not_sent_there(
    services: Services,
) -> None:
    """The settings name somebody else now: that is who would be told the secret."""
    fields = GrantFields(secret="rt")
    await services.side.keeper.give(GRANT, "rotating", fields, bound_to="elsewhere")
    forgotten = await services.grant_service.log_out(PERSON, GRANT)

    assert (forgotten.held, forgotten.durable, forgotten.revoked) == (True, True, False)
    assert forgotten.failure is not None
    assert "another server or client" in forgotten.failure.message
    assert services.side.keeper.peek(GRANT) is None
    again = await services.grant_service.log_out(PERSON, GRANT)
    assert (again.held, again.failure) == (False, None)


@pytest.mark.parametrize("by", ["logout", "everything", "configuration", "kept login"])
async def test_a_failed_login_is_forgotten_with_its_grant(services: Services, by: str) -> None:
    """What comes later under that name begins anew."""
    services.login_waiters.login_failed(GRANT, Failure.of(Kind.TIMED_OUT, "nobody came"), 7.0)
    assert services.grant_service.failed_login(GRANT) is not None
    before = services.config
    match by:
        case "logout":
            await services.grant_service.log_out(PERSON, GRANT)
        case "everything":
            await services.grant_service.revoke_all(PERSON)
        case _:
            keeping = Settings(revoke_on_drop=by == "configuration")
            first = msgspec.structs.replace(before.credentials[GRANT], settings=keeping)
            services.configure(before.credentials["plain"])
            await services.grant_service.dropped(Config(credentials={GRANT: first}))

    assert services.grant_service.failed_login(GRANT) is None


async def test_a_logout_drops_what_was_minted(services: Services) -> None:
    """Before anything is waited for."""
    await services.side.keeper.give(
        GRANT, "rotating", GrantFields(secret="x"), bound_to="elsewhere"
    )
    await services.token()
    await services.grant_service.log_out(PERSON, GRANT)

    assert await refusal(services.token(), Kind.LOGIN_REQUIRED)


@pytest.mark.parametrize(("revokes", "stays"), [(True, False), (False, False), (True, True)])
async def test_what_is_dropped_from_the_configuration(
    services: Services, revokes: bool, stays: bool
) -> None:
    """Is given up where its settings say so, and nothing is on its grant any more."""
    settings = Settings(revoke_on_drop=revokes)
    one = msgspec.structs.replace(services.config.credentials[GRANT], settings=settings)
    other = msgspec.structs.replace(one, name="other")
    services.configure(one, other)
    await services.side.keeper.give(
        GRANT, "rotating", GrantFields(secret="x"), bound_to="elsewhere"
    )
    before = services.config
    services.configure(*([other] if stays else []))
    await services.grant_service.dropped(before)

    assert (services.side.keeper.peek(GRANT) is None) is (revokes and not stays)


@pytest.mark.parametrize("everything", [True, False])
async def test_a_login_that_no_credential_uses_is_forgotten(
    services: Services, everything: bool
) -> None:
    """By the panic button, or by its own name; it is not sent to another server."""
    fields = GrantFields(secret="rt", account="ann")
    await services.side.keeper.give("old", "rotating", fields, bound_to="elsewhere")
    assert unused_grants(services.config, services.side.records) == ["old"]
    if everything:
        done = await services.grant_service.revoke_all(PERSON)
        (forgotten,) = [each for each in done if not each.credentials]
    else:
        forgotten = await services.grant_service.log_out(PERSON, "old")

    assert (forgotten.grant, forgotten.account, forgotten.credentials) == ("old", "ann", ())
    assert (forgotten.held, forgotten.durable, forgotten.revoked) == (True, True, False)
    assert forgotten.failure is not None
    assert "no credential names its server and client" in forgotten.failure.message
    assert services.side.records.names() == []
    await refusal(services.grant_service.log_out(PERSON, "old"), Kind.UNKNOWN_CREDENTIAL)
    assert services.outcomes()[0] == ("revoked-all" if everything else "logged-out")


async def test_an_agent_does_not_learn_which_logins_are_unused(services: Services) -> None:
    """It is denied, in the same words as for a name that does not exist."""
    fields = GrantFields(secret="rt")
    await services.side.keeper.give("old", "rotating", fields, bound_to="elsewhere")
    log_out = services.grant_service.log_out
    there = await refusal(log_out(AGENT, "old"), Kind.DENIED)

    assert there.replace("old", "new") == await refusal(log_out(AGENT, "new"), Kind.DENIED)
    assert services.side.keeper.peek("old") is not None
