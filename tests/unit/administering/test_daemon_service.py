"""The daemon itself: its configuration, its log, whether it takes work."""

from __future__ import annotations

from credward.errors import Kind
from unit.administering.services import AGENT, PERSON, Services, refusal


async def test_only_owners_have_the_configuration_read_again(services: Services) -> None:
    """What is in force then is told."""
    await refusal(services.asked.daemon.reload(AGENT), Kind.DENIED)
    result = await services.asked.daemon.reload(PERSON)

    assert result.credentials == sorted(services.config.credentials)


async def test_the_log_is_for_who_may_look(services: Services) -> None:
    """Lines as they are."""
    await refusal(services.asked.daemon.reload(AGENT), Kind.DENIED)

    assert b'"outcome":"denied"' in services.asked.daemon.audit(PERSON, None).lines


async def test_a_daemon_that_stops_is_not_ready(services: Services) -> None:
    """Probes are told why."""
    assert services.asked.daemon.ready().ready
    services.asked.daemon.stopping = True

    assert services.asked.daemon.ready().reasons == ["stopping"]
