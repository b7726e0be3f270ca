"""What is kept of ancestors is proved anew: it never says what a fresh walk would not."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

import pytest

from credward.callers import linux
from credward.callers.ancestry import Ancestry, below, walk
from credward.callers.chains import Chains
from credward.callers.mounts import MountTable
from examples import examples
from fakes.puppets import Puppets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def puppets() -> Iterator[Puppets]:
    made = Puppets()
    yield made
    made.end()


@pytest.fixture
def processes() -> Iterator[linux.Processes]:
    mounts = MountTable()
    made = linux.Processes(mounts)
    yield made
    made.close()
    mounts.close()


@pytest.fixture
def chains(processes: linux.Processes) -> Iterator[Chains]:
    made = Chains(processes, most=32)
    yield made
    made.close()


def fresh(pid: int, processes: linux.Processes) -> Ancestry:
    """Look at everything."""
    stat = linux.read_stat(pid)
    assert stat is not None
    return walk(pid, stat, linux.program_path(pid), processes, seen=True, relays_above=True)


def by_chain(pid: int, chains: Chains) -> Ancestry | None:
    """Look as a request does."""
    stat = linux.read_stat(pid)
    assert stat is not None
    above = chains.above(pid, stat)
    return None if above is None else below(pid, stat, linux.program_path(pid), above)


def line(puppets: Puppets, length: int = 3) -> list[int]:
    """Return a line of puppets, the root first."""
    pids = [puppets.root]
    while len(pids) < length:
        pids.append(puppets.fork(pids[-1]))
    return pids


def test_it_says_what_a_walk_says(puppets, processes, chains):
    """At first and from what it kept, with the process's own name anew each time."""
    *_, leaf = line(puppets)
    assert by_chain(leaf, chains) == by_chain(leaf, chains) == fresh(leaf, processes)

    puppets.tell(leaf, "name claude")
    assert by_chain(leaf, chains) == fresh(leaf, processes)
    assert fresh(leaf, processes).harness == "claude"


def test_p2_an_ancestor_that_dies_is_above_nobody(puppets, processes, chains):
    """P2: its child goes to whoever takes orphans, between two requests of a connection."""
    _, middle, leaf = line(puppets)
    before = by_chain(leaf, chains)
    puppets.kill(middle)
    after = by_chain(leaf, chains) or fresh(leaf, processes)

    assert middle not in {each.pid for each in after.ancestors}
    assert before is not None
    assert middle in {each.pid for each in before.ancestors}
    assert by_chain(leaf, chains) == fresh(leaf, processes)


@pytest.mark.parametrize("folder", ["", "one/claude/versions"])
def test_an_ancestor_that_execs_into_a_harness_is_one(puppets, processes, chains, folder):
    """By another name, or by another file of the same name."""
    _, middle, leaf = line(puppets)
    puppets.tell(middle, "name tool")
    puppets.tell(middle, f"exec {puppets.program('tool')}")
    assert by_chain(leaf, chains).harness is None
    (puppets.folder / folder).mkdir(parents=True, exist_ok=True)
    name = "tool" if folder else "claude"
    puppets.tell(middle, f"exec {puppets.program(name, folder)}")

    assert by_chain(leaf, chains) == fresh(leaf, processes)
    assert by_chain(leaf, chains).harness == "claude"


def test_an_ancestor_that_takes_another_name_has_it(puppets, processes, chains):
    """A program may call itself what it likes, after it was kept too."""
    _, middle, leaf = line(puppets)
    by_chain(leaf, chains)
    puppets.tell(middle, "name codex")

    assert by_chain(leaf, chains) == fresh(leaf, processes)
    assert by_chain(leaf, chains).harness == "codex"


def test_too_many_are_not_kept(puppets, processes):
    """A chain that is longer than what may be kept is walked each time, and leaves nothing open."""
    chains = Chains(processes, most=1)
    *_, leaf = line(puppets)
    before = len(os.listdir("/proc/self/fd"))

    assert by_chain(leaf, chains) is None
    # What the walk itself keeps of the leaf and those above it.
    assert len(os.listdir("/proc/self/fd")) <= before + 16
    assert not chains._kept
    chains.close()


# What is done to a tree, and how often.
_DEEDS = ("fork", "fork", "fork", "kill", "name", "exec", "subreaper", "nothing")
_NAMES = ("claude", "codex", "sh", "tool", "node")


def differences(puppets: Puppets, chains: Chains, processes: linux.Processes, seed: int) -> int:
    """Play a random history; count where what was kept said something else than a walk."""
    found, choose = 0, random.Random(seed)
    for _ in range(12):
        pid = choose.choice(puppets.alive)
        match choose.choice(_DEEDS):
            case "fork" if len(puppets.alive) < 8:
                puppets.fork(pid)
            case "kill" if pid != puppets.root:
                puppets.kill(pid)
            case "name":
                puppets.tell(pid, f"name {choose.choice(_NAMES)}")
            case "exec":
                puppets.tell(pid, f"exec {puppets.program(choose.choice(_NAMES))}")
            case "subreaper":
                puppets.tell(pid, "subreaper")
        for each in puppets.alive:
            kept = by_chain(each, chains)
            found += kept is not None and kept != fresh(each, processes)
    return found


@pytest.mark.examples
@pytest.mark.parametrize("seed", range(examples(40)))
def test_random_trees_look_as_a_walk_sees_them(puppets, processes, chains, seed):
    """Forks, deaths, names, programs and subreapers in any order."""
    assert differences(puppets, chains, processes, seed) == 0


class Blind(Chains):
    """Leaves one of its checks out: whether all live, or whether those that count are as before."""

    check = ""

    def _stands(self, chain):
        same = self.check == "program" or all(each.is_as_before() for each in chain.counting)
        return same and (self.check == "life" or not self._ends.poll(0))


@pytest.mark.parametrize("check", ["", "life", "program"])
def test_each_check_is_needed(puppets, processes, check):
    """A death above the harness shows by life alone, another program below it by its facts alone."""
    chains = Blind(processes, most=32)
    chains.check = check
    _, upper, harness, lower, leaf = line(puppets, 5)
    puppets.tell(harness, "name claude")
    by_chain(leaf, chains)
    puppets.kill(upper)
    after_a_death = by_chain(leaf, chains) == fresh(leaf, processes)
    chains.forget()
    by_chain(leaf, chains)
    puppets.tell(lower, "name codex")
    after_a_name = by_chain(leaf, chains) == fresh(leaf, processes)
    chains.close()

    assert (after_a_death, after_a_name) == (check != "life", check != "program")
