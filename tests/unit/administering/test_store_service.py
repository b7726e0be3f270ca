"""Locks, unlocks and the secrets of the store; end to end is test_grants."""

from __future__ import annotations

from credward.errors import Kind
from credward.tokens import Secret
from unit.administering.services import AGENT, PASSPHRASE, PERSON, Desks, refusal
from unit.grants.rig import GRANT


async def test_a_lock_without_a_passphrase_holds_all_the_same(desks: Desks) -> None:
    """Until the daemon starts again, and says so; tokens are gone from memory."""
    await desks.give("alice")
    await desks.token()
    text = await refusal(desks.store_desk.lock(PERSON, None), Kind.BAD_REQUEST)
    assert "no passphrase yet" in text
    minted = len(desks.upstream.mints)

    await refusal(desks.log_in(), Kind.STORE_LOCKED)
    await desks.store_desk.unlock(PERSON, None)
    await desks.token()
    assert len(desks.upstream.mints) == minted + 1


async def test_a_lock_and_its_passphrase(desks: Desks) -> None:
    """What was tried is written down; a locked store shows no grants as needing a login."""
    manage = desks.store_desk
    ((view, _, names),) = desks.grant_desk.views()
    assert view.failure is not None
    assert set(names) == {GRANT, "second"}
    await manage.lock(PERSON, PASSPHRASE)
    ((view, _, _),) = desks.grant_desk.views()
    assert view.failure is None
    await refusal(manage.unlock(PERSON, Secret("battery staple")), Kind.DENIED)
    await refusal(manage.secrets(PERSON), Kind.STORE_LOCKED)
    await refusal(manage.unlock(AGENT, PASSPHRASE), Kind.DENIED)

    assert desks.outcomes() == ["locked", "unlock-refused", "denied"]


async def test_a_store_that_locks_itself_drops_the_tokens_too(desks: Desks) -> None:
    """Whoever wanted it."""
    await desks.token()
    minted = len(desks.upstream.mints)
    await desks.store_desk.lock_up(PASSPHRASE)
    assert desks.side.strongbox.locked
    await desks.store_desk.unlock(PERSON, PASSPHRASE)
    await desks.token()

    assert len(desks.upstream.mints) == minted + 1


async def test_secrets_of_the_store(desks: Desks) -> None:
    """Kept, listed, forgotten, and none that is no secret."""
    manage = desks.store_desk
    for wrong in ("", "x" * 32_769):
        await refusal(manage.set_secret(PERSON, "key", Secret(wrong)), Kind.BAD_REQUEST)
    assert await manage.set_secret(PERSON, "key", Secret("sk-1"))
    assert await manage.secrets(AGENT) == [("key", None)]
    await refusal(manage.allow_secret(AGENT, "key"), Kind.DENIED)
    await refusal(manage.allow_secret(PERSON, "none"), Kind.UNKNOWN_CREDENTIAL)
    await refusal(manage.allow_secret(PERSON, "key"), Kind.BAD_REQUEST)
    await refusal(manage.remove_secret(AGENT, "key"), Kind.DENIED)
    assert await manage.remove_secret(PERSON, "key")
    text = await refusal(manage.remove_secret(PERSON, "key"), Kind.UNKNOWN_CREDENTIAL)

    assert "credward secret list" in text
    assert await manage.secrets(PERSON) == []
