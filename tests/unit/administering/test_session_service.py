"""Who may have endpoints of a process, before any port is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from credward import wire
from credward.administering.endpoint_views import EndpointView
from credward.administering.session_service import SessionOwner, SessionView
from credward.callers.caller import Ancestor
from credward.config import EndpointConfig
from credward.errors import Kind
from unit.administering.services import OWNER, Peer, Services, refusal
from unit.grants.rig import GRANT

ME = Peer(msgspec.structs.replace(OWNER, start_time=77))
BELOW = Peer(msgspec.structs.replace(OWNER, pid=9, start_time=99, ancestors=(Ancestor(5, 77),)))
REUSED = Peer(msgspec.structs.replace(OWNER, start_time=78, harness="claude"))


class Keeper:
    """Holds sessions that open nothing."""

    def __init__(self) -> None:
        self.works = True
        self.held: list[SessionView] = []

    async def begin(self, owner: SessionOwner, endpoints: Sequence[EndpointConfig]) -> SessionView:
        views = [
            EndpointView(endpoint=each, port=4711, secret_file=None, failure=None, pid=owner.pid)
            for each in endpoints
        ]
        self.held.append(SessionView(id=f"s{len(self.held)}", owner=owner, endpoints=tuple(views)))
        return self.held[-1]

    async def end(self, session_id: str) -> None:
        self.held = [each for each in self.held if each.id != session_id]

    def views(self) -> list[SessionView]:
        return self.held


@pytest.fixture
def keeper(services: Services) -> Keeper:
    services.keeper = made = Keeper()
    return made


def start(*doors: str, credential: str = GRANT) -> wire.SessionStart:
    return wire.SessionStart(
        endpoints=[wire.SessionEndpoint(credential=credential, door=door) for door in doors]
    )


async def test_the_process_that_asks_has_it(services: Services, keeper: Keeper) -> None:
    """Decided on for each credential, and recorded with its door."""
    session = await services.asked.manage.sessions.begin(ME, start("gce", "azure-imds"))

    assert [(each.door, each.port, each.pid) for each in session.endpoints] == [
        ("gce", 4711, 5),
        ("azure-imds", 4711, 5),
    ]
    assert keeper.held[0].owner == SessionOwner(uid=1000, pid=5, start_time=77)
    assert services.outcomes() == ["opened", "opened"]


@pytest.mark.parametrize(
    ("asked", "kind", "text"),
    [
        (start(), Kind.BAD_REQUEST, "1 to 8 endpoints"),
        (start(*["gce"] * 9), Kind.BAD_REQUEST, "1 to 8 endpoints"),
        (start("env"), Kind.BAD_REQUEST, 'no door "env"'),
        (start("gce", credential="gatway"), Kind.UNKNOWN_CREDENTIAL, 'perhaps "gateway"'),
        (start("gce", "http"), Kind.BAD_REQUEST, "only the daemon's own user can read"),
    ],
)
async def test_what_cannot_be_opens_nothing(
    services: Services, keeper: Keeper, asked: Any, kind: Kind, text: str
) -> None:
    """One line with the reason; the daemon here runs as another user than who asks."""
    assert text in await refusal(services.asked.manage.sessions.begin(ME, asked), kind)
    assert keeper.held == []


async def test_where_the_kernel_does_not_tell_there_are_none(
    services: Services, keeper: Keeper
) -> None:
    """Such as on macOS: nobody could be let in."""
    keeper.works = False

    assert "Linux only" in await refusal(
        services.asked.manage.sessions.begin(ME, start("gce")), Kind.BAD_REQUEST
    )


async def test_a_process_that_is_not_seen_has_none(services: Services, keeper: Keeper) -> None:
    """Nobody could tell when it ends."""
    unseen = Peer(msgspec.structs.replace(OWNER, pid=None))

    assert "cannot see the process" in await refusal(
        services.asked.manage.sessions.begin(unseen, start("gce")), Kind.BAD_REQUEST
    )


async def test_one_user_cannot_take_all_ports(services: Services, keeper: Keeper) -> None:
    """The line says where to look."""
    for _ in range(16):
        await services.asked.manage.sessions.begin(ME, start(*["gce"] * 8))

    assert "128 is the most" in await refusal(
        services.asked.manage.sessions.begin(ME, start("gce")), Kind.RATE_LIMITED
    )


async def test_it_is_ended_by_its_own_and_by_owners(services: Services, keeper: Keeper) -> None:
    """A process below it, a person; not by an agent beside it, even with its old pid."""
    sessions = services.asked.manage.sessions
    for peer in (BELOW, Peer(msgspec.structs.replace(OWNER, pid=8, start_time=1))):
        begun = await sessions.begin(ME, start("gce"))
        await sessions.end(peer, begun.id)
        assert keeper.held == []
    begun = await sessions.begin(ME, start("gce"))
    assert "manage" in await refusal(sessions.end(REUSED, begun.id), Kind.DENIED)
    assert len(keeper.held) == 1
    # One that has ended is no error for those who may.
    await sessions.end(ME, "gone")
