"""What is kept and used by nobody; the warnings end to end are in test_grant_binding."""

from __future__ import annotations

from credward.administering.leftovers import unused_grants
from credward.grants.grant_record import GrantRecord
from credward.tokens import Secret
from unit.administering.services import PERSON, Services
from unit.grants.rig import GRANT


async def test_a_grant_that_is_used_is_none(services: Services) -> None:
    """Only the other one is."""
    record = GrantRecord(secret="rt", provider="rotating", family=1, given_at=1.0)
    for name in (GRANT, "old"):
        services.side.records.put(name, record)

    assert unused_grants(services.config, services.side.records) == ["old"]


async def test_a_secret_that_no_credential_uses_is_a_warning(services: Services) -> None:
    """With the command that forgets it; none while the store is locked."""
    await services.store_service.set_secret(PERSON, "spare-key", Secret("sk-1"))
    seen = await services.asked.status.statuses(PERSON)
    services.side.opened_store.shut()
    locked = await services.asked.status.statuses(PERSON)

    (warning,) = [each for each in seen.warnings if each.startswith("secret ")]
    assert warning == (
        'secret "spare-key" is kept, but no credential uses it: '
        "run credward secret rm spare-key to forget it"
    )
    assert not [each for each in locked.warnings if each.startswith("secret ")]
