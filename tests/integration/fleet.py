"""Many credentials in one daemon for several lifetimes of their tokens: how often upstream is asked, when, and by whom.

Roles behind one login at Identity Center, applications at Entra ID and users at an OAuth server, each
with a rotating grant of its own. `python benchmarks/fleet.py` plays it whole, `test_fleet.py` a short one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import shutil
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any, Self

from credward.processes import descendants
from fakes.aws_sso import START_URL, AwsSso, serving_sso
from fakes.entra_server import CLIENT, SECRET, TENANT, EntraServer, entra_server
from fakes.oauth_server import OAuthServer
from integration.daemon import RunningDaemon, permit_all

HASTY = Path(__file__).parents[1] / "fakes" / "hasty_serve.py"
REGION = "eu-central-1"
# An access token of Identity Center with less life than this is renewed (seconds).
SSO_MARGIN = 300
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of what. *life* and *latency*, of each upstream request, are in seconds."""

    roles: int = 100
    applications: int = 20
    users: int = 20
    life: float = 60.0
    lifetimes: float = 5.0
    latency: float = 0.03
    # Of workers (seconds); None: as it is.
    idle_after: float | None = None

    @property
    def demand(self) -> float:
        """How long after the last ask a token is still kept fresh (seconds)."""
        return self.life / 3


@dataclass(slots=True)
class Ledger:
    """What upstream was asked; `at` is the wall clock. Grants by name of whoever uses them now."""

    latency: float
    tokens: list[tuple[float, str]] = field(default_factory=list)
    renewals: list[float] = field(default_factory=list)
    discoveries: int = 0
    overlaps: int = 0
    refused: int = 0
    in_use: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def using(self, grant: str) -> Iterator[None]:
        """Note that *grant* is in use, and whether it was already."""
        with self.lock:
            self.overlaps += self.in_use[grant] > 0
            self.in_use[grant] += 1
        time.sleep(self.latency)
        try:
            yield
        finally:
            with self.lock:
                self.in_use[grant] -= 1

    def minted(self, credential: str) -> None:
        """Note a token call."""
        with self.lock:
            self.tokens.append((time.time(), credential))

    # What stands in for the methods of the servers.

    def watch_sso(self, sso: AwsSso) -> None:
        credentials, token = sso.credentials, sso.token

        def role(query: dict[str, str], bearer: str | None) -> tuple[int, Any]:
            with self.using("sso"):
                self.minted(query["role_name"])
                status, answer = credentials(query, bearer)
            self.refused += status != 200
            return status, answer

        def renew(asked: dict[str, Any]) -> tuple[int, Any]:
            with self.using("sso"):
                self.renewals.append(time.time())
                status, answer = token(asked)
            self.refused += status != 200
            return status, answer

        sso.credentials, sso.token = role, renew  # type: ignore[method-assign]

    def watch_entra(self, entra: EntraServer) -> None:
        answer = entra.answer

        def watched(path: str, form: dict[str, str], headers: dict[str, str]) -> Any:
            time.sleep(self.latency)
            if path.endswith("/token"):
                self.minted(form["scope"].split("//")[1].split("/")[0])
            else:
                self.discoveries += 1
            got = answer(path, form, headers)
            self.refused += got[0] != 200
            return got

        entra.answer = watched  # type: ignore[method-assign]

    def watch_oauth(self, oauth: OAuthServer) -> None:
        handle = oauth.handle

        def watched(asked: Any) -> Any:
            if not asked.path.endswith("/token"):
                time.sleep(self.latency)
                self.discoveries += 1
                return handle(asked)
            with self.using(asked.form["scope"]):
                self.minted(asked.form["scope"])
                got = handle(asked)
            self.refused += got.status != 200
            return got

        oauth.handle = watched  # type: ignore[method-assign]


@dataclass(slots=True)
class Caller:
    """Asks for every credential in turn, each once in *every* seconds, and notes what it gets."""

    daemon: RunningDaemon
    names: list[str]
    every: float
    waits: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while True:
            for name in self.names:
                if self.stopping.wait(self.every / len(self.names)):
                    return
                began = time.perf_counter()
                answer = self.daemon.get(name, "json", timeout=20)
                self.waits.append(time.perf_counter() - began)
                if answer.status != 200:
                    self.failures.append(answer.text)
                elif answer.json()["expires_at"] <= time.time():
                    self.failures.append(f"{name} has ended")


def private_memory(pid: int) -> float:
    """Return what the process wrote to, in MB; a hardened one shows it to root only (NaN)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError:
        return math.nan
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024


def processor_time(pid: int) -> float:
    """Return the seconds that the process has computed."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def workers_of(daemon: RunningDaemon) -> Counter[str]:
    """Return the live workers by provider."""
    found: Counter[str] = Counter()
    for process in descendants(daemon.pid):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            if any(b"workers" in word for word in words):
                found[words[3].decode()] += 1
    return found


class Fleet:
    """The servers, the daemon and its configuration."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder, self.size = folder, size
        self.ledger = Ledger(size.latency)
        self.roles = [f"role-{number:03}" for number in range(size.roles)]
        self.applications = [f"app-{number:02}" for number in range(size.applications)]
        self.users = [f"user-{number:02}" for number in range(size.users)]
        self._stack = contextlib.ExitStack()
        self.runtime = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
        self._stack.callback(shutil.rmtree, self.runtime, ignore_errors=True)

    @property
    def names(self) -> list[str]:
        return [*self.roles, *self.applications, *self.users]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        life = int(self.size.life)
        self.sso = self._stack.enter_context(serving_sso())
        self.entra = self._stack.enter_context(entra_server(self.folder))
        self.oauth = self._stack.enter_context(OAuthServer(lifetime=life))
        self.entra.lifetime = life
        self.sso.role_lifetime = self.size.life
        self.sso.access_lifetime = SSO_MARGIN + life
        self.sso.more_roles = frozenset(self.roles)
        self.sso.clients["client"] = {"secret": "client-secret"}
        self.sso.refresh_token = "refresh-token"
        self.sso.access_tokens["access-token"] = time.time() + SSO_MARGIN + life
        self.ledger.watch_sso(self.sso)
        self.ledger.watch_entra(self.entra)
        self.ledger.watch_oauth(self.oauth)
        environment = {
            "AWS_ENDPOINT_URL": self.sso.url,
            "ENTRA_SECRET": SECRET,
            "PYTHONWARNINGS": "default",
        }
        self.daemon = RunningDaemon(self.folder / "home", self.runtime, environment)
        self.daemon.home.mkdir(mode=0o700)
        if self.size.idle_after is not None:
            self.daemon.program = (str(HASTY), str(self.size.idle_after))
        self.daemon.write_config(self._config())
        self.daemon.start(log_level="info")
        self._stack.callback(self.daemon.stop)

    def _config(self) -> str:
        blocks = [permit_all(self.folder) + f'[network]\nca = "{self.entra.ca}"\n']
        blocks += [
            f"[credentials.{name}]\nidle_after = {self.size.demand:g}\n{self._settings(name)}"
            for name in self.names
        ]
        return "\n".join(blocks)

    def _settings(self, name: str) -> str:
        match name.partition("-")[0]:
            case "role":
                return (
                    f'provider = "aws"\nsso_start_url = "{START_URL}"\nsso_region = "{REGION}"\n'
                    f'sso_account_id = "{self.sso.assigned[0]}"\nsso_role_name = "{name}"\n'
                )
            case "app":
                return (
                    f'provider = "entra"\nauthority = "{self.entra.https}"\ntenant = "{TENANT}"\n'
                    f'client_id = "{CLIENT}"\nclient_secret = {{ env = "ENTRA_SECRET" }}\n'
                    f'scope = "api://{name}/.default"\n'
                )
            case _:
                return (
                    f'provider = "oauth"\nissuer = "{self.oauth.issuer}"\nclient_id = "client-1"\n'
                    f'grant_type = "refresh_token"\nscope = "{name}"\n'
                )

    def import_grant(self) -> None:
        """Give the daemon its grants, as people would."""
        login = {
            "access_token": "access-token",
            "access_expires_at": time.time() + self.sso.access_lifetime,
            "client_id": "client",
            "client_secret": "client-secret",
            "client_expires_at": time.time() + 1e6,
            "refresh_token": "refresh-token",
        }
        grants = {name: self.oauth.grant(scope=f"{name} offline_access") for name in self.users}
        for name, grant in ({self.roles[0]: json.dumps(login)} | grants).items():
            answer = self.daemon.hand_over(name, grant)
            assert answer.status == 200, answer.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the daemon alone uses, in MB: *before* any token, with all of them, at the end of all."""

    before: float
    filled: float
    ended: float

    @property
    def grown(self) -> float:
        """What all of it left behind, the tokens themselves included; the last worker is gone then."""
        return self.ended - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run showed; shares of 1, times in seconds, memory in MB."""

    seconds: float
    refreshes: int
    # Token calls per credential and lifetime, after its first: fewest, mean, most.
    pace: tuple[float, float, float]
    # Calls of those that fall out of it.
    too_seldom: dict[str, int]
    too_often: dict[str, int]
    # The mean, in lives: what the pace would be in a run without an end.
    gap: float
    # The median: what a machine that stood still for a while does not show in.
    typical_gap: float
    busiest_second: float
    first_wave: float
    renewals: int
    discoveries: int
    overlaps: int
    refused: int
    fill: dict[str, float]
    asks: int
    failures: list[str]
    slowest_ask: float
    most_workers: Counter[str]
    memory: Memory
    processor: float
    after_demand: int
    workers_left: int
    idle_exit: float

    def rows(self, size: Size) -> list[tuple[str, str, str, bool]]:
        """Return what was measured, how much it was, what it must be, and whether it is."""
        low, middle, high = self.pace
        memory = self.memory
        return [
            (
                "token calls per credential and lifetime (fewest, mean, most)",
                f"{low:.2f}  {middle:.2f}  {high:.2f}",
                "1.3 to 1.6, give or take one call in all",
                not self.too_seldom and not self.too_often,
            ),
            (
                "busiest second, of all refreshes",
                f"{self.busiest_second:.1%} of {self.refreshes}",
                "10 %",
                self.busiest_second <= 0.1,
            ),
            (
                "uses of one login or refresh token at once",
                str(self.overlaps),
                "0",
                not self.overlaps,
            ),
            ("requests that upstream refused", str(self.refused), "0", not self.refused),
            (
                "asks that got no token",
                f"{len(self.failures)} of {self.asks}, slowest {self.slowest_ask * 1000:.0f} ms",
                "0",
                not self.failures,
            ),
            (
                "private memory of the daemon: no token yet, all, workers gone",
                f"{memory.before:.1f}  {memory.filled:.1f}  {memory.ended:.1f} MB",
                "within 2 MB",
                not abs(memory.grown) > 2.0,
            ),
            ("refreshes once nobody asks", str(self.after_demand), "0", not self.after_demand),
            (
                "workers once nobody asks",
                f"{self.workers_left}, the last left after {self.idle_exit:.0f} s",
                "0",
                not self.workers_left,
            ),
        ]

    def notes(self, size: Size) -> list[str]:
        """Return what else is worth knowing."""
        each = self.fill["role"] / size.roles
        demand = size.roles * mean((1.3, 1.6)) / size.life
        return [
            (
                f"{size.roles} roles on one login, {size.applications} applications, {size.users} "
                f"users; lives of {size.life:g} s, {self.seconds:.0f} s, upstream answers after "
                f"{size.latency * 1000:.0f} ms"
            ),
            (
                f"first tokens: all roles after {self.fill['role']:.1f} s, applications "
                f"{self.fill['app']:.1f} s, users {self.fill['user']:.1f} s"
            ),
            (
                f"one role after another: {each * 1000:.0f} ms each, so {1 / each:.0f} a second; "
                f"these lives need {demand:.1f}, lives of an hour {demand * size.life / 3600:.2f}"
            ),
            (
                f"busiest second of the first wave alone: {self.first_wave:.1%} of the credentials "
                f"(a tenth of a life, {size.life / 10:.0f} s, is all there is to spread them over)"
            ),
            f"from one refresh to the next {self.gap:.3f} lives, {1 / self.gap:.2f} a life",
            (
                f"besides: {self.renewals} renewals of the login; {self.discoveries} discoveries, "
                "as each mint of an application or user looks up its endpoints first"
            ),
            "most workers at once: "
            + ", ".join(f"{name} {count}" for name, count in sorted(self.most_workers.items())),
            f"the daemon itself computed {self.processor / self.refreshes * 1000:.1f} ms a refresh",
        ]


def run(folder: Path, size: Size, say: Callable[[str], None] = lambda _: None) -> Result:
    """Play it."""
    with Fleet(folder, size) as fleet:
        daemon, ledger = fleet.daemon, fleet.ledger
        before = private_memory(daemon.pid)
        began = time.time()
        fleet.import_grant()
        kinds = {name: name.partition("-")[0] for name in fleet.names}
        for name in fleet.names:
            answer = daemon.get(name, "json", timeout=60)
            assert answer.status == 200, answer.text
        fill: dict[str, float] = defaultdict(float)
        for at, name in ledger.tokens:
            fill[kinds[name]] = at - began
        say("all tokens are there")
        caller = Caller(daemon, fleet.names, every=size.life / 6)
        asking = threading.Thread(target=caller.run)
        asking.start()
        # Not at once: what only the start needed is given back by then.
        time.sleep(2)
        filled = private_memory(daemon.pid)
        processor = processor_time(daemon.pid)
        ends_at = time.time() + size.lifetimes * size.life
        most: Counter[str] = Counter()
        while time.time() < ends_at:
            time.sleep(0.5)
            most |= workers_of(daemon)
        ended = time.time()
        processor = processor_time(daemon.pid) - processor
        caller.stopping.set()
        asking.join()
        say("nobody asks any more")
        quiet_from = time.time()
        # A refresh that began in time may end later.
        time.sleep(size.demand + 2)
        calls = len(ledger.tokens)
        patience = size.demand + (size.idle_after or 90.0) + 15.0
        while workers_of(daemon) and time.time() < quiet_from + patience:
            time.sleep(0.2)
        idle_exit = time.time() - quiet_from
        time.sleep(1)
        return _result(
            fleet,
            seconds=ended - began,
            until=ended,
            fill=dict(fill),
            asks=len(caller.waits),
            failures=caller.failures,
            slowest_ask=max(caller.waits),
            most_workers=most,
            memory=Memory(
                before=before,
                filled=filled,
                ended=private_memory(daemon.pid),
            ),
            processor=processor,
            after_demand=len(ledger.tokens) - calls,
            workers_left=workers_of(daemon).total(),
            idle_exit=idle_exit,
        )


def _result(fleet: Fleet, *, until: float, **words: Any) -> Result:
    ledger, life = fleet.ledger, fleet.size.life
    by_name: dict[str, list[float]] = {name: [] for name in fleet.names}
    for at, name in ledger.tokens:
        if at <= until:
            by_name[name].append(at)
    paces, gaps = [], []
    too_seldom, too_often = {}, {}
    for name, times in by_name.items():
        lives, calls = (until - times[0]) / life, len(times) - 1
        paces.append(calls / lives)
        gaps += [after - before for before, after in itertools.pairwise(times)]
        if calls < 1.3 * lives - 1:
            too_seldom[name] = calls
        if calls > 1.6 * lives + 1:
            too_often[name] = calls
    refreshes = sorted(at for times in by_name.values() for at in times[1:])
    first_wave = sorted(times[1] for times in by_name.values() if len(times) > 1)
    return Result(
        refreshes=len(refreshes),
        pace=(min(paces), mean(paces), max(paces)),
        too_seldom=too_seldom,
        too_often=too_often,
        gap=mean(gaps) / life,
        typical_gap=median(gaps) / life,
        busiest_second=_busiest(refreshes) / len(refreshes),
        first_wave=_busiest(first_wave) / len(by_name),
        renewals=len(ledger.renewals),
        discoveries=ledger.discoveries,
        overlaps=ledger.overlaps,
        refused=ledger.refused,
        **words,
    )


def _busiest(times: list[float]) -> int:
    """Return the most of *times*, sorted, that lie within one second."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] > 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
