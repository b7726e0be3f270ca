"""What becomes of a loan where disk, lock, logout and kill meet; each history was once a defect."""

from __future__ import annotations

import itertools

import pytest

from credward.errors import Failure, Kind
from credward.store import journal as journal_module
from credward.store.journal import GrantFields, Lease, seal_grant
from credward.workers.link import MintedToken
from fakes.grant_world import GRANTS, World


@pytest.fixture
def make_world():
    """Return a maker of worlds, each with a daemon that is up."""
    worlds = []

    def make(*, rotation_retry=True):
        worlds.append(World(rotation_retry=rotation_retry))
        worlds[-1].begin()
        return worlds[-1]

    yield make
    for world in worlds:
        world.end()


@pytest.fixture
def world(make_world):
    """Return a world in which somebody logged in to `a`."""
    world = make_world()
    assert world.log_in("a")[1].result()
    return world


def mint(world, deed="rotate", credential="a"):
    """Have one token minted from end to end and return what came."""
    task = world.mint(credential)
    while not task.done():
        world.step(world.flights[-1], deed)
    return task.result()


def secret(world):
    """Return the grant `a` as it is now, and whether it is in doubt."""
    record = world.record("a")
    return record.secret, record.ambiguous_at is not None


def written(world):
    """Return the journals on disk that say anything."""
    found = (world.folder / "state" / "journals").glob("*.journal")
    return [each for each in found if each.read_bytes().strip(b"\0")]


def restart(world):
    """Kill the daemon, start the next one."""
    world.kill()
    world.begin()


def test_t2_mints_of_one_grant_wait_for_each_other(world):
    """T2: whoever comes while one is out, for whichever credential, goes out with its successor."""
    first, second = world.mint("a"), world.mint("a2")
    assert [each.secret for each in world.flights] == ["a-1"]
    while not first.done():
        world.step(world.flights[0])
    while not second.done():
        world.step(world.flights[1])

    assert [each.secret for each in world.flights] == ["a-1", first.result().token_id]


def test_t8_an_answer_without_a_grant_ends_the_doubt(world):
    """T8: the old one is kept, and it is good."""
    mint(world, "lost")
    assert secret(world) == ("a-1", True)
    assert isinstance(mint(world, "keep"), MintedToken)

    assert secret(world) == ("a-1", False)


def test_t10_a_journal_whose_grant_is_newer_waits_for_the_one_before(world, monkeypatch):
    """One holds a rotation, the other the exchange after it that was cut off, and lies first."""
    names = (f"{number:016x}" for number in itertools.count(1000, -1))
    monkeypatch.setattr(journal_module.secrets, "token_hex", lambda _: next(names))
    world.life.directory.spares = 3
    mint(world)
    world.full = True
    newest = mint(world).token_id
    task = world.mint("a")
    world.step(world.flights[-1])
    world.present(world.flights[-1], "cut")
    # At once again, and in mid-air when the daemon dies.
    restart(world)

    assert not task.done() or task.cancelled()
    assert secret(world) == (newest, True)


def test_t10_a_journal_that_came_back_is_out_of_date(world):
    """It was removed, and power failed before the disk knew: the grant has gone on since."""
    task = world.mint("a")
    flight = world.flights[-1]
    for _ in range(3):
        world.step(flight)
    (journal,) = written(world)
    old = journal.read_bytes()
    world.step(flight)
    assert task.done()
    newest = mint(world).token_id
    world.kill()
    journal.with_name(f"{'0' * 16}.journal").write_bytes(old)
    world.begin()

    assert secret(world) == (newest, False)
    assert mint(world).token_id not in {newest, flight.fresh}
    assert written(world) == []


def test_t10_a_rotation_that_nobody_can_open_leaves_the_grant_in_doubt(world):
    """Of whichever generation: the one that is known was used up for it, perhaps."""
    record = world.record("a")
    for generation in (0, 1):
        lease = Lease(mint="0" * 32, grant="a", family=record.family, generation=generation)
        journal = world.life.directory.create()
        journal.open_window(lease)
        journal.keep(seal_grant(lease, b"k" * 32, GrantFields(secret="lost")))
        restart(world)

        assert secret(world) == ("a-1", True)
        assert isinstance(mint(world, "keep"), MintedToken)
        assert secret(world) == ("a-1", False)


def test_t10_a_rotation_is_kept_for_a_logout_that_no_disk_has_seen(world):
    """What comes back with the kill is the newest, not the one that the exchange used up."""
    task = world.mint("a")
    flight = world.flights[-1]
    for _ in range(3):
        world.step(flight)
    world.full = True
    assert world.start(world.life.keeper.give_up("a")).result() is False
    world.answer(flight)
    assert task.result().kind is Kind.LOGIN_REQUIRED
    restart(world)

    assert secret(world) == (flight.fresh, False)


def test_t11_a_durable_logout_lasts_whatever_a_worker_brings_later(world):
    """The worker outlives the daemon and seals into its journal: nobody wants it."""
    world.mint("a")
    flight = world.flights[-1]
    for _ in range(2):
        world.step(flight)
    assert world.start(world.life.keeper.give_up("a")).result() is True
    restart(world)
    world.seal(flight, durable=True)
    world.answer(flight)
    world.go_on()

    assert world.record("a") is None
    assert mint(world).kind is Kind.LOGIN_REQUIRED


def test_t11_a_login_that_no_disk_has_seen_does_not_cost_the_grant_before(world):
    """Both rotate on a full disk; the kill brings the first one back, as it was last."""
    world.life.directory.spares = 3
    mint(world)
    world.full = True
    before = mint(world).token_id
    assert world.log_in("a")[1].result() is False
    assert isinstance(mint(world), MintedToken)
    restart(world)

    assert secret(world) == (before, False)


@pytest.mark.parametrize("deed", ["rotate", "cut"])
def test_a_lock_in_mid_mint_holds_the_token_back(world, deed):
    """What came of it is known after the unlock: nobody could say whether it was still wanted."""
    task = world.mint("a")
    flight = world.flights[-1]
    world.step(flight)
    world.lock()
    while not task.done():
        world.step(flight, deed)
    failure = task.result()
    assert isinstance(failure, Failure)
    assert failure.kind is (Kind.STORE_LOCKED if deed == "rotate" else Kind.TIMED_OUT)
    assert world.record("a") is None
    world.unlock()

    assert secret(world) == ((flight.fresh, False) if deed == "rotate" else ("a-1", True))


def test_a_logout_before_the_lock_wins_over_a_mint_after_it(world):
    """And no token of it is given."""
    task = world.mint("a")
    flight = world.flights[-1]
    world.step(flight)
    world.start(world.life.keeper.give_up("a"))
    world.lock()
    while not task.done():
        world.step(flight)
    assert task.result().kind is Kind.STORE_LOCKED
    world.unlock()

    assert world.record("a") is None


def test_a_full_disk_keeps_one_journal_per_grant(world):
    """Each holds all that the one before held; with as many as grants, minting goes on for ever."""
    world.log_in("b")
    world.life.directory.spares = 1 + len(GRANTS)
    mint(world)
    world.full = True
    for _ in range(5):
        mint(world)
        mint(world, credential="b")
        mint(world, "cut")
    held = [journal for *_, journal in world.life.keeper._held]

    assert len(held) <= 2 * len(GRANTS)
    world.full = False
    world.start(world.life.records.save())
    assert world.life.keeper._held == []


def test_a_failure_before_anything_was_sent_occupies_no_journal(world):
    """On a full disk every one counts."""
    world.life.directory.spares = 2
    mint(world)
    world.full = True
    mint(world)
    before = len(world.life.keeper._held)
    for _ in range(10):
        assert mint(world, "busy").kind is Kind.PROVIDER_UNREACHABLE

    assert len(world.life.keeper._held) == before


# --- G7: what is handed over is tried before it takes the place of a login


def is_done(flight):
    """Return whether a worker has nothing more to do."""
    return flight.stage == "over" or (flight.stage != "starting" and flight.at_rest)


def mint_after_restart(world):
    """Let the workers of the life before end, then mint."""
    for flight in list(world.flights):
        # A kill ended those that had nothing in hand.
        while flight.stage != "over":
            world.step(flight)
    task = world.mint("a")
    for _ in range(50):
        if task.done():
            return task.result()
        if is_done(world.flights[-1]):
            # It waits for the journal that was locked until just now.
            world.go_on()
        else:
            world.step(world.flights[-1])
    raise AssertionError([(each.stage, each.secret) for each in world.flights])


def chain(world):
    """Return whose refresh token is kept, and whether another login waits beside it."""
    record = world.record("a")
    assert record.parked is None
    return world.chain_of(record.secret), record.before is not None


@pytest.mark.parametrize("good", [True, False])
def test_g7_a_login_is_replaced_by_what_worked_alone(world, good):
    """Nonsense leaves it as it was, and whoever asks is served by it."""
    old = world.chains[0]
    assert world.import_grant("a", good=good).result()
    new = world.chains[1]
    assert chain(world) == (new, True)
    token = mint(world)

    assert isinstance(token, MintedToken)
    assert chain(world) == (new if good else old, False)
    assert token.token_id == (new if good else old).newest
    assert isinstance(mint(world), MintedToken)


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("good", [True, False])
def test_g7_a_kill_in_mid_trial_costs_neither_login(world, good, steps):
    """Whatever was done by then, and whether the worker lives on."""
    old = world.chains[0]
    world.import_grant("a", good=good)
    new = world.chains[1]
    world.mint("a")
    for _ in range(steps):
        if not is_done(world.flights[-1]):
            world.step(world.flights[-1])
    restart(world)
    token = mint_after_restart(world)

    assert isinstance(token, MintedToken), token
    assert chain(world) == (new if good else old, False)
    assert token.token_id == (new if good else old).newest


def test_g7_a_mint_that_is_out_with_the_login_before_rotates_that(world):
    """It comes back to the one that waits beside, or that would be used up when it is needed."""
    task = world.mint("a")
    world.lend(world.flights[-1])
    world.import_grant("a", good=False)
    while not task.done():
        world.step(world.flights[-1])

    assert chain(world) == (world.chains[0], False)
    assert secret(world)[0] == world.chains[0].newest
    assert len(world.chains[0].secrets) == 3
    assert isinstance(mint(world), MintedToken)


def test_g7_the_journal_of_the_login_before_is_replayed_into_it(world):
    """The same, where the daemon dies meanwhile."""
    world.mint("a")
    world.lend(world.flights[-1])
    world.import_grant("a", good=False)
    restart(world)
    assert isinstance(mint_after_restart(world), MintedToken)

    assert chain(world) == (world.chains[0], False)
    assert isinstance(mint(world), MintedToken)


def test_g7_of_several_that_are_handed_over_the_login_that_worked_stays(world):
    """Not the one that nobody has tried."""
    for _ in range(3):
        world.import_grant("a", good=False)
    assert isinstance(mint(world), MintedToken)

    assert chain(world) == (world.chains[0], False)


def test_g7_nobody_knows_yet(world):
    """The answer is lost: the same one is tried again, and the login before waits."""
    world.import_grant("a", good=True)
    mint(world, "lost")
    assert secret(world) == (world.chains[1].newest, True)
    assert chain(world) == (world.chains[1], True)
    mint(world, "busy")
    assert chain(world) == (world.chains[1], True)
    assert isinstance(mint(world, "keep"), MintedToken)

    assert chain(world) == (world.chains[1], False)


def test_g7_without_a_login_that_works_a_refusal_is_the_end(world):
    """Neither one that needs a login itself nor none at all is worth keeping."""
    world.chains[0].secrets.append("used up elsewhere")
    assert mint(world).kind is Kind.LOGIN_REQUIRED
    world.import_grant("a", good=False)
    assert world.record("a").before is None
    assert mint(world).kind is Kind.LOGIN_REQUIRED

    assert world.record("a").parked is not None
