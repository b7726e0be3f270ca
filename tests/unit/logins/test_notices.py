"""When the owner is told of a login: once, in one breath with others, and ahead of a known end."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from credward.config.model import Config, CredentialConfig, NotifyConfig
from credward.grants.grant_record import GrantView
from credward.logins import notices as login_notices
from credward.logins.notices import LoginNotices, Notice
from credward.settings.command import Settings as CommandSettings
from credward.settings.oauth import Settings
from fakes.clock import FakeClock
from fakes.loop import on_idle_time

HOUR, DAY = 3600.0, 86_400.0


class Bench:
    """Credentials `a` and `b` on grants of their own, `c` on that of `a`, and `az` without any."""

    def __init__(self, command: tuple[str, ...] = ("tell", "me")) -> None:
        self.clock = FakeClock()
        self.views: dict[str, GrantView] = {}
        self.told: list[Notice] = []
        self.commands: list[tuple[str, ...]] = []
        self.running = 0
        self.pause = 0.0
        self.tasks: set[asyncio.Task[None]] = set()
        user = Settings(issuer="https://login.example.com", client_id="c")
        program = CommandSettings(command=("az",))
        self.config = Config(
            credentials={
                name: CredentialConfig(
                    name=name, provider="x", settings=settings, epoch="e", grant=f"grant-{grant}"
                )
                for name, grant, settings in (
                    ("a", "a", user),
                    ("b", "b", user),
                    ("c", "a", user),
                    ("az", "az", program),
                )
            },
            notify=NotifyConfig(login_required=command),
        )
        self.notices = LoginNotices(
            clock=self.clock,
            config=lambda: self.config,
            view=lambda grant: self.views.get(grant, GrantView(name=grant)),
            run=self.run,
            spawn=lambda work: self.tasks.add(asyncio.get_running_loop().create_task(work)),
        )

    async def run(self, command: tuple[str, ...], notice: Notice) -> None:
        self.running += 1
        assert self.running == 1, "one at a time"
        self.commands.append(command)
        self.told.append(notice)
        await asyncio.sleep(self.pause)
        self.running -= 1

    def ends(self, grant: str, *, life: float, left: float, extended: float | None = None) -> None:
        ends_at = self.clock.now() + left
        self.views[grant] = GrantView(
            name=grant,
            ends_at=ends_at,
            given_at=ends_at - life,
            extended_at=None if extended is None else ends_at - extended,
        )

    async def settle(self) -> list[str]:
        """Return what was told, after everything that is due was."""
        await asyncio.sleep(0.05)
        return [each.text for each in self.told]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_notices, "_GATHER", 0.01)
    monkeypatch.setattr(login_notices, "_PAUSE", 0.0)


@on_idle_time
async def test_a_login_that_is_needed_is_told_once() -> None:
    """However often a mint finds it out; by the name of the first credential on the grant."""
    bench = Bench()
    for _ in range(100):
        bench.notices.login_needed("grant-a")

    assert await bench.settle() == ['"a" needs a login: run credward login a']
    bench.notices.login_needed("grant-a")
    assert len(await bench.settle()) == 1
    assert bench.commands == [("tell", "me")]
    (notice,) = bench.told
    assert (notice.event, notice.credentials) == ("login-required", ("a",))


@on_idle_time
async def test_whose_login_it_is_is_said() -> None:
    """People have several accounts."""
    bench = Bench()
    bench.ends("grant-a", life=24 * HOUR, left=HOUR)
    for grant in ("grant-a", "grant-b"):
        view = bench.views.get(grant) or GrantView(name=grant)
        bench.views[grant] = msgspec.structs.replace(view, account="ada@example.com")
    (warning,) = bench.notices.warnings()
    assert warning.startswith('the login of "a" (ada@example.com) ends on ')
    bench.notices.login_needed("grant-b")

    assert await bench.settle() == ['"b" (ada@example.com) needs a login: run credward login b']


@on_idle_time
async def test_what_an_earlier_daemon_parked_was_told_by_that_one() -> None:
    """A restart is no news; what this one parks is."""
    bench = Bench()
    for name, ago in (("grant-a", 60), ("grant-b", 0)):
        bench.views[name] = GrantView(name=name, parked_at=bench.clock.now() - ago)
        bench.notices.login_needed(name)

    assert await bench.settle() == ['"b" needs a login: run credward login b']


@on_idle_time
async def test_many_at_once_are_one_line() -> None:
    """An identity provider that forgets everybody starts one program, not one each."""
    bench = Bench()
    for grant in ("grant-a", "grant-b", "grant-az"):
        bench.notices.login_needed(grant)

    assert await bench.settle() == ['"a", "b", "az" need a login: run credward status']
    assert bench.told[0].credentials == ("a", "b", "az")


@on_idle_time
async def test_what_others_log_in_to_is_said_by_status() -> None:
    """`credward login az` would be refused."""
    bench = Bench()
    bench.notices.login_needed("grant-az")

    assert await bench.settle() == ['"az" needs a login: run credward status az']


@on_idle_time
async def test_a_login_in_time_is_not_spoken_of() -> None:
    """Given before anybody was told; a second one that is needed later is told anew."""
    bench = Bench()
    bench.notices.login_needed("grant-a")
    bench.notices.login_given("grant-a")
    assert await bench.settle() == []

    bench.notices.login_needed("grant-a")
    assert len(await bench.settle()) == 1


@on_idle_time
async def test_there_is_a_pause_between_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant that is parked again and again starts no storm; what came meanwhile is told after."""
    monkeypatch.setattr(login_notices, "_PAUSE", 0.3)
    bench = Bench()
    bench.pause = 0.02
    for _ in range(20):
        bench.notices.login_given("grant-a")
        bench.notices.login_needed("grant-a")
        await asyncio.sleep(0.01)
    bench.notices.login_needed("grant-b")
    assert len(bench.told) == 1
    await asyncio.sleep(0.5)

    assert [each.credentials for each in bench.told] == [("a",), ("a", "b")]
    bench.notices.close()


@on_idle_time
async def test_nobody_is_told_without_a_program() -> None:
    """And nothing goes wrong."""
    bench = Bench(command=())
    bench.notices.login_needed("grant-a")
    bench.ends("grant-b", life=30 * DAY, left=DAY)
    bench.notices.configured()

    assert await bench.settle() == []
    assert len(bench.notices.warnings()) == 1


@pytest.mark.parametrize(
    ("life", "left", "expected"),
    [
        (90 * DAY, 4 * DAY, False),
        (90 * DAY, 3 * DAY - 1, True),
        (24 * HOUR, 3 * HOUR, False),
        (24 * HOUR, 2 * HOUR, True),
        (600, 310, False),
        (600, 299, True),
        (100, 51, False),
        (100, 49, True),
        (24 * HOUR, 0, False),
    ],
)
@on_idle_time
async def test_status_warns_ahead_of_an_end(life: float, left: float, expected: bool) -> None:
    """In the last tenth, 5 minutes at least, 3 days at most."""
    bench = Bench()
    bench.ends("grant-a", life=life, left=left)
    warnings = bench.notices.warnings()

    assert bool(warnings) is expected
    for warning in warnings:
        assert warning.startswith('the login of "a" ends on ')
        assert warning.endswith(": run credward login a")


@on_idle_time
async def test_an_end_is_told_once_and_again_when_it_was_put_off() -> None:
    """By the same program."""
    bench = Bench()
    bench.ends("grant-a", life=30 * DAY, left=2 * DAY)
    for _ in range(3):
        bench.notices.configured()
    await bench.settle()
    assert [each.event for each in bench.told] == ["login-ends"]
    assert bench.told[0].text == bench.notices.warnings()[0]

    bench.clock.advance(3600)
    bench.ends("grant-a", life=30 * DAY, left=2 * DAY)
    bench.notices.configured()
    await bench.settle()
    assert len(bench.told) == 2
    bench.notices.close()


@on_idle_time
async def test_an_end_that_every_use_puts_off_is_no_news() -> None:
    """A window of 30 minutes that slides since three weeks: the login is not about to end."""
    bench = Bench()
    bench.ends("grant-a", life=21 * DAY, left=1500, extended=1800)
    bench.notices.configured()

    assert bench.notices.warnings() == []
    bench.clock.advance(1300)
    assert len(bench.notices.warnings()) == 1
    bench.notices.configured()
    assert await bench.settle() == []
    bench.notices.close()


@on_idle_time
async def test_a_parked_grant_has_no_end_any_more() -> None:
    """That it needs a login was said."""
    bench = Bench()
    now = bench.clock.now()
    bench.views["grant-a"] = GrantView(
        name="grant-a", ends_at=now + 60, given_at=now - DAY, parked_at=now
    )

    assert bench.notices.warnings() == []
