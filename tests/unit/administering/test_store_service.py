"""Locks, unlocks and the secrets of the store; end to end is test_grants."""

from __future__ import annotations

from credward.errors import Kind
from credward.tokens import Secret
from unit.administering.services import AGENT, PASSPHRASE, PERSON, Services, refusal
from unit.grants.rig import GRANT


async def test_a_lock_without_a_passphrase_holds_all_the_same(services: Services) -> None:
    """Until the daemon starts again, and says so; tokens are gone from memory."""
    await services.give("alice")
    await services.token()
    text = await refusal(services.store_service.lock(PERSON, None), Kind.BAD_REQUEST)
    assert "no passphrase yet" in text
    minted = len(services.upstream.mints)

    await refusal(services.log_in(), Kind.STORE_LOCKED)
    await services.store_service.unlock(PERSON, None)
    await services.token()
    assert len(services.upstream.mints) == minted + 1


async def test_a_lock_and_its_passphrase(services: Services) -> None:
    """What was tried is written down; a locked store shows no grants as needing a login."""
    manage = services.store_service
    ((view, _, names),) = services.grant_service.views()
    assert view.failure is not None
    assert set(names) == {GRANT, "second"}
    await manage.lock(PERSON, PASSPHRASE)
    ((view, _, _),) = services.grant_service.views()
    assert view.failure is None
    await refusal(manage.unlock(PERSON, Secret("battery staple")), Kind.DENIED)
    await refusal(manage.secrets(PERSON), Kind.STORE_LOCKED)
    await refusal(manage.unlock(AGENT, PASSPHRASE), Kind.DENIED)

    assert services.outcomes() == ["locked", "unlock-refused", "denied"]


async def test_a_store_that_locks_itself_drops_the_tokens_too(services: Services) -> None:
    """Whoever wanted it."""
    await services.token()
    minted = len(services.upstream.mints)
    await services.asked.locking.lock_up(PASSPHRASE)
    assert services.side.opened_store.locked
    await services.store_service.unlock(PERSON, PASSPHRASE)
    await services.token()

    assert len(services.upstream.mints) == minted + 1


async def test_secrets_of_the_store(services: Services) -> None:
    """Kept, listed, forgotten, and none that is no secret."""
    manage = services.store_service
    for wrong in ("", "x" * 32_769):
        await refusal(manage.set_secret(PERSON, "key", Secret(wrong)), Kind.BAD_REQUEST)
    assert await manage.set_secret(PERSON, "key", Secret("sk-1"))
    assert await manage.secrets(AGENT) == [("key", None, False)]
    await refusal(manage.allow_secret(AGENT, "key"), Kind.DENIED)
    await refusal(manage.allow_secret(PERSON, "none"), Kind.UNKNOWN_CREDENTIAL)
    await refusal(manage.allow_secret(PERSON, "key"), Kind.BAD_REQUEST)
    await refusal(manage.remove_secret(AGENT, "key"), Kind.DENIED)
    assert await manage.remove_secret(PERSON, "key")
    text = await refusal(manage.remove_secret(PERSON, "key"), Kind.UNKNOWN_CREDENTIAL)

    assert "credward secret list" in text
    assert await manage.secrets(PERSON) == []


async def test_a_secret_goes_back_only_to_where_it_came_from(services: Services) -> None:
    """To its owner, written down; an earlier origin does not count for a new value."""
    manage = services.store_service
    assert await manage.set_secret(PERSON, "key", Secret("sk-1"), origin="/home/a/.bashrc:3")
    value, origin = await manage.give_back(PERSON, "key")
    await refusal(manage.give_back(AGENT, "key"), Kind.DENIED)
    assert await manage.set_secret(PERSON, "key", Secret("sk-2"))
    text = await refusal(manage.give_back(PERSON, "key"), Kind.BAD_REQUEST)
    assert await manage.remove_secret(PERSON, "key")
    await refusal(manage.give_back(PERSON, "key"), Kind.UNKNOWN_CREDENTIAL)

    assert (value.reveal(), origin) == ("sk-1", "/home/a/.bashrc:3")
    assert "was not taken out of a file" in text
    assert "secret-given-back" in services.outcomes()


async def test_a_secret_that_is_in_its_file_again_is_given_back_no_more(services: Services) -> None:
    """Only its owner says so; the store still has it."""
    manage = services.store_service
    assert await manage.set_secret(PERSON, "key", Secret("sk-1"), origin="/home/a/.bashrc:3")
    await refusal(manage.remove_origin(AGENT, "key"), Kind.DENIED)
    await manage.give_back(PERSON, "key")
    assert await manage.remove_origin(PERSON, "key")
    assert await manage.remove_origin(PERSON, "key")
    await refusal(manage.give_back(PERSON, "key"), Kind.BAD_REQUEST)
    await refusal(manage.remove_origin(PERSON, "none"), Kind.UNKNOWN_CREDENTIAL)

    assert await manage.secrets(PERSON) == [("key", None, False)]
    assert "secret-origin-removed" in services.outcomes()
