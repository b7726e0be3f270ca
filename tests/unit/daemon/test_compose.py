"""A daemon's parts from a configuration: who leads where, and what a reload replaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from credward.clock import SystemClock
from credward.daemon.compose import Broker, compose
from credward.doors.activation import Activated
from credward.errors import BrokerError, Kind
from credward.issuing.released import Released
from credward.paths import find_paths
from credward.tokens import TokenRequest
from unit.administering.services import PERSON

LOCAL = '[credentials.{name}]\nprovider = "local"\nlifetime = 600\n'
PERMIT = '@id("all") permit (principal is Caller, action, resource is Credential);\n'

Make = Callable[[], Broker]


class Home:
    """Where a daemon lives whose policy is its owner's own."""

    def __init__(self, folder: Path) -> None:
        self.config, self.policies = folder / "config.toml", folder / "policies"
        self.policies.mkdir()
        self.socket = folder / "s"
        self.paths = find_paths(
            {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": ""}
        )
        self.configure(LOCAL.format(name="one"))
        (self.policies / "all.cedar").write_text(PERMIT)

    def configure(self, text: str) -> None:
        """Write the configuration; a table of the test's own before it."""
        self.config.write_text(
            f'[listen]\nmode = "sidecar"\nallow_uids = [1000]\n[policy]\ndirectory = "{self.policies}"\n{text}'
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
async def broker(home: Home) -> AsyncIterator[Broker]:
    """Compose a daemon; end what it began."""
    async with asyncio.TaskGroup() as tasks:
        broker = compose(
            clock=SystemClock(),
            paths=home.paths,
            config_path=home.config,
            socket_path=home.socket,
            activated=Activated(),
            spawn=tasks.create_task,
        )
        yield broker
        broker.minted.driver.close()
        broker.asked.idle_lock.close()
        broker.process.notices.close()
        broker.scrubber.close()
        await broker.kept.pool.close()
        broker.process.audit.close()


async def ask(broker: Broker, name: str) -> Released:
    deadline = asyncio.get_running_loop().time() + 60
    answer = broker.asked.issuer.issue(PERSON, TokenRequest(credential=name), deadline)
    return answer if isinstance(answer, Released) else await answer


async def test_a_door_leads_to_a_minted_token(broker: Broker, home: Home) -> None:
    """From the socket's door to a real worker and back; nothing listens until it is run."""
    door = broker.door
    await broker.open_store()
    released = await ask(broker, "one")

    assert (door.name, door.address) == ("credward", str(home.socket))
    assert not home.socket.exists()
    assert released.open().count(b".") == 2
    assert '"outcome":"issued"' in (home.paths.state_dir / "audit.log").read_text()


async def test_a_reload_replaces_configuration_and_policy_as_one(
    broker: Broker, home: Home
) -> None:
    """And one that is wrong replaces neither."""
    home.configure(LOCAL.format(name="two"))
    (home.policies / "all.cedar").write_text("forbid (")
    with pytest.raises(BrokerError, match=r"all\.cedar"):
        broker.process.reload()
    assert set(broker.asked.gate.config.credentials) == {"one"}

    (home.policies / "all.cedar").write_text(PERMIT)
    assert set(broker.process.reload().credentials) == {"two"}
    with pytest.raises(BrokerError) as caught:
        await ask(broker, "one")
    assert caught.value.kind is Kind.UNKNOWN_CREDENTIAL

    (home.policies / "all.cedar").write_text("")
    broker.process.reload()
    with pytest.raises(BrokerError, match="no policy permits it"):
        await ask(broker, "two")


async def test_a_wrong_configuration_composes_nothing(home: Home) -> None:
    """The error names the place."""
    home.configure("[credentials.one]\nprovider = 'nonsense'\n")
    with pytest.raises(BrokerError, match="nonsense"):
        compose(
            clock=SystemClock(),
            paths=home.paths,
            config_path=home.config,
            socket_path=home.socket,
            activated=Activated(),
            spawn=asyncio.get_running_loop().create_task,
        )


async def test_tokens_of_before_may_lie_in_the_store_where_one_persists(
    broker: Broker, home: Home
) -> None:
    """Then the store is opened before anybody is served."""
    assert not broker.persists
    home.configure(LOCAL.format(name="one") + "persist = true\n")
    other = compose(
        clock=SystemClock(),
        paths=home.paths,
        config_path=home.config,
        socket_path=home.socket,
        activated=Activated(),
        spawn=asyncio.get_running_loop().create_task,
    )
    other.minted.driver.close()
    other.process.audit.close()

    assert other.persists
