"""Who asks on a Mac, by a fake of the calls that would be made there."""

from typing import cast

import pytest

from credward.callers.caller import Caller
from credward.callers.macos import Kernel, MacIdentifier, MacProcesses
from credward.errors import BrokerError, Kind
from credward.policy.engine import PolicyEngine, Resource
from fakes.darwin import MacKernel, MacProcess, MacSocket

OWNER = 501
ALL = Resource(credential="*")


@pytest.fixture
def kernel() -> MacKernel:
    """Return a terminal with a shell, in which somebody types `credward`; `login` is root's."""
    return MacKernel(
        {
            1: MacProcess("launchd", 0, "/sbin/launchd", 1, 1),
            300: MacProcess("Terminal", 1, "/System/Applications/Terminal", 40, 41),
            301: MacProcess("login", 300, "/usr/bin/login", 50, 51),
            302: MacProcess("-zsh", 301, "/bin/zsh", 60, 61),
            400: MacProcess("python3.12", 302, "/opt/homebrew/bin/python3.12", 70, 71),
        }
    )


def identified(
    kernel: MacKernel, end: MacSocket | None = None, *, user_mode: bool = True
) -> Caller:
    identifier = MacIdentifier(cast("Kernel", kernel), own_uid=OWNER, user_mode=user_mode)
    peer = identifier.open(cast("object", end or MacSocket(pid=400, version=71)))  # type: ignore[arg-type]
    return peer.identify()


def decided(caller: Caller, action: str) -> tuple[bool, str | None]:
    decision = PolicyEngine.load(mode="user", owner_uid=OWNER).decide(caller, action, ALL)
    return decision.allowed, decision.rules[0] if decision.rules else None


def test_s14_the_owner_manages_from_a_terminal(kernel: MacKernel) -> None:
    """S-14: not attested, for the system attests nothing; its ancestors are known, root's too."""
    caller = identified(kernel)

    assert (caller.uid, caller.gid, caller.pid) == (OWNER, 20, 400)
    assert (caller.attestable, caller.attested, caller.executable) == (False, False, None)
    assert caller.ancestry_complete
    assert caller.agent is not None
    assert (caller.agent.name, caller.agent.start_time) == ("login", 50)
    assert (caller.harness, caller.relay) == (None, None)
    assert decided(caller, "Manage") == (True, "owner-may-manage")
    assert decided(caller, "Issue") == (True, "owner-may-use")


def test_the_working_folder_is_known(kernel: MacKernel) -> None:
    """As the second field of the structure; of nobody it is not."""
    processes = MacProcesses(cast("Kernel", kernel))
    kernel.processes[302].folder = "/Users/me/src/ü"

    assert processes.folder(302) == "/Users/me/src/ü"
    assert processes.folder(7) is None


def test_s14_another_user_gets_nothing(kernel: MacKernel) -> None:
    """S-14: the first wall is the uid."""
    caller = identified(kernel, MacSocket(uid=502, pid=400, version=71))

    assert decided(caller, "Issue") == (False, None)
    assert decided(caller, "Manage") == (False, None)


def test_s14_an_agent_manages_nothing(kernel: MacKernel) -> None:
    """S-14: a harness above, or asking by itself, is seen."""
    kernel.processes[302] = MacProcess("node", 301, "/x/@anthropic-ai/claude-code/cli.js", 60, 61)
    below = identified(kernel)
    itself = identified(kernel, MacSocket(pid=302, version=61))

    assert (below.harness, below.agent and below.agent.pid) == ("claude", 302)
    assert (itself.harness, itself.agent and itself.agent.pid) == ("claude", 302)
    assert decided(below, "Manage") == (False, "no-manage-under-harness")
    assert decided(itself, "Manage") == (False, "no-manage-under-harness")
    assert decided(below, "Issue") == (True, "owner-may-use")


def test_s14_a_relay_gets_nothing(kernel: MacKernel) -> None:
    """S-14: by its name or its file; above it only what has no file name at all counts."""
    kernel.processes[400] = MacProcess("sshd-session", 302, "/usr/libexec/sshd-session", 70, 71)
    assert decided(identified(kernel), "Issue") == (False, "no-relays")

    kernel.processes[302] = MacProcess("sshd", 301, "/usr/sbin/sshd", 60, 61)
    kernel.processes[400] = MacProcess("python3.12", 302, "/usr/bin/python3", 70, 71)
    assert decided(identified(kernel), "Issue") == (True, "owner-may-use")

    kernel.processes[400] = MacProcess("python3.12", 302, None, 70, 71)
    assert decided(identified(kernel), "Issue") == (False, "no-relays")
    assert identified(kernel, user_mode=False).relay is None


def test_s14_what_changed_is_absent(kernel: MacKernel) -> None:
    """S-14: another program since it was accepted, or while it is looked at; then nobody manages."""
    identifier = MacIdentifier(cast("Kernel", kernel), own_uid=OWNER, user_mode=True)
    peer = identifier.open(cast("object", MacSocket(pid=400, version=71)))  # type: ignore[arg-type]
    assert peer.identify().ancestry_complete
    assert [each.pid for each in peer.identify().ancestors] == [302, 301, 300, 1]

    kernel.on_path = lambda: setattr(kernel.processes[400], "version", 72)
    meanwhile = peer.identify()
    later = peer.identify()

    assert not meanwhile.ancestry_complete
    assert meanwhile == later == Caller(uid=OWNER, gid=20, pid=400, attestable=False)
    assert peer.identify().ancestors == ()
    assert decided(later, "Manage") == (False, None)
    assert decided(later, "Issue") == (True, "owner-may-use")


def test_s14_an_ancestor_that_changes_breaks_the_walk_off(kernel: MacKernel) -> None:
    """S-14: the pid of a parent that ended may have a new owner."""
    before = kernel.identity

    def reused(pid: int) -> bytes | None:
        answer = before(pid)
        if pid == 301:
            kernel.processes[301].unique += 1
        return answer

    kernel.identity = reused  # type: ignore[method-assign]
    caller = identified(kernel)

    assert not caller.ancestry_complete
    assert decided(caller, "Manage") == (False, None)


def test_s14_one_that_has_ended_is_denied(kernel: MacKernel) -> None:
    """S-14: nobody asks in a dead process's name."""
    del kernel.processes[400]
    with pytest.raises(BrokerError) as caught:
        identified(kernel)

    assert caught.value.kind is Kind.DENIED


@pytest.mark.parametrize("end", [MacSocket(), MacSocket(pid=400)], ids=["nothing", "a pid"])
def test_s14_without_a_token_nothing_is_established(kernel: MacKernel, end: MacSocket) -> None:
    """S-14: the pid alone may be anybody's by now."""
    caller = identified(kernel, end)

    assert caller == Caller(uid=OWNER, gid=20, pid=end.pid, attestable=False)
    assert decided(caller, "Manage") == (False, None)


async def test_environments_are_not_looked_at(kernel: MacKernel) -> None:
    """Looking closely is looking."""
    identifier = MacIdentifier(cast("Kernel", kernel), own_uid=OWNER, user_mode=True)
    peer = identifier.open(cast("object", MacSocket(pid=400, version=71)))  # type: ignore[arg-type]

    assert await peer.identify_closely() == peer.identify()
    peer.close()
