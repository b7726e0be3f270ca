"""What is kept of ancestors is proved anew: it never says what a fresh walk would not."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

import pytest

from credward.callers import chains as chains_module
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
    yield linux.Processes(mounts)
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


def test_an_ancestor_that_changed_counts_for_those_who_come_by_another_way(
    puppets, processes, chains
):
    """It was kept for one caller, and became a harness before another one came, by a new parent."""
    _, middle, leaf = line(puppets)
    by_chain(leaf, chains)
    puppets.tell(middle, f"exec {puppets.program('claude')}")
    other = puppets.fork(puppets.fork(middle))

    assert by_chain(other, chains) in {None, fresh(other, processes)}
    assert by_chain(other, chains) == fresh(other, processes)
    assert fresh(other, processes).harness == "claude"


def test_too_many_are_not_kept(puppets, processes):
    """A chain that is longer than what may be kept is walked each time; it is remembered as one."""
    chains = Chains(processes, most=2)
    *_, leaf = line(puppets, 4)

    for _ in range(3):
        assert by_chain(leaf, chains) is None
        assert len(chains._kept) <= 2
    chains.close()
    assert not chains._kept


def test_one_that_is_too_deep_costs_the_usual_ones_their_place_once(
    puppets, processes, monkeypatch
):
    """In turn with another caller it is still remembered as such, and nobody is learned again."""
    opened = []
    real = chains_module._open
    monkeypatch.setattr(chains_module, "_open", lambda pid: opened.append(pid) or real(pid))
    *_, usual = line(puppets, 2)
    *_, deep = line(puppets, 6)
    above_usual = len(fresh(usual, processes).ancestors)
    chains = Chains(processes, most=above_usual + 2)
    for _ in range(3):
        assert by_chain(usual, chains) == fresh(usual, processes)
        assert by_chain(deep, chains) is None
    before = len(opened)
    for _ in range(3):
        assert by_chain(usual, chains) == fresh(usual, processes)
        assert by_chain(deep, chains) is None

    assert len(opened) == before
    chains.close()


def test_p2_an_ancestor_whose_parent_ends_while_it_is_learned_is_not_kept_so(puppets, processes):
    """P2: or every later look below it would be a walk."""
    _, top, _, leaf = line(puppets, 4)

    class Killing(linux.Processes):
        armed = True

        def stat(self, pid):
            found = super().stat(pid)
            if self.armed and pid == leaf:
                self.armed = False
                puppets.kill(top)
            return found

    chains = Chains(Killing(MountTable()), most=32)
    by_chain(leaf, chains)
    by_chain(leaf, chains)

    assert by_chain(leaf, chains) == fresh(leaf, processes)
    chains.close()


def test_a_failure_to_keep_leaves_nothing_open(puppets, processes, chains, monkeypatch):
    """Whatever cannot be opened or watched: then it is walked, and nothing escapes."""
    *_, leaf = line(puppets)
    before = set(os.listdir("/proc/self/fd"))

    def full(*_: object) -> int:
        raise OSError(24, "too many open files")

    class Full:
        def register(self, *_: object) -> None:
            raise OSError(28, "no space")

        def poll(self, _: float) -> list[tuple[int, int]]:
            return []

    ends, chains._ends = chains._ends, Full()
    assert by_chain(leaf, chains) is None
    chains._ends = ends
    monkeypatch.setattr(os, "pidfd_open", full)
    assert by_chain(leaf, chains) is None
    assert not chains._kept
    # What the walk itself keeps.
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 4


def test_the_others_stay_where_one_ends_or_changes(puppets, processes, chains):
    """A shell per request, and a neighbour that takes a new name each time, cost the rest nothing."""
    _, middle, leaf = line(puppets)
    shell = puppets.fork(middle)
    caller = puppets.fork(shell)
    by_chain(leaf, chains)
    by_chain(caller, chains)
    kept = dict(chains._kept)
    puppets.tell(shell, "name zsh")
    assert by_chain(caller, chains) == fresh(caller, processes)
    puppets.kill(shell)
    assert by_chain(leaf, chains) == fresh(leaf, processes)

    assert {pid: each for pid, each in kept.items() if pid != shell} == chains._kept


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
        # All of them, or one: what nobody asked for in between must not be taken for what it was.
        for each in puppets.alive if seed % 2 else [choose.choice(puppets.alive)]:
            kept = by_chain(each, chains)
            found += kept is not None and kept != fresh(each, processes)
    return found


@pytest.mark.examples
@pytest.mark.parametrize("seed", range(examples(40)))
def test_random_trees_look_as_a_walk_sees_them(puppets, processes, chains, seed):
    """Forks, deaths, names, programs and subreapers in any order."""
    assert differences(puppets, chains, processes, seed) == 0


@pytest.mark.parametrize("check", ["", "life", "program"])
def test_each_check_is_needed(puppets, processes, chains, monkeypatch, check):
    """A death above the harness shows by life alone, another program below it by its facts alone."""
    if check == "life":
        monkeypatch.setattr(chains, "_ended", set)
    if check == "program":
        monkeypatch.setattr(chains_module._Kept, "is_as_before", lambda _: True)
    _, top, _, harness, lower, leaf = line(puppets, 6)
    puppets.tell(harness, "name claude")
    by_chain(leaf, chains)
    puppets.kill(top)
    after_a_death = by_chain(leaf, chains) == fresh(leaf, processes)
    chains.close()
    by_chain(leaf, chains)
    puppets.tell(lower, "name codex")
    after_a_name = by_chain(leaf, chains) == fresh(leaf, processes)

    assert (after_a_death, after_a_name) == (check != "life", check != "program")
