"""Who may not ask hears of no name that it did not say itself; each denial is written down."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from credward.audit import AuditLog
from credward.callers.caller import Ancestor
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.issuing.asking import NOTHING, on_grant
from credward.issuing.authorized import Authorized
from credward.issuing.choices import Choice, Choices
from credward.issuing.gate import Active, Gate, settled
from credward.issuing.recording import Recorder
from credward.policy.engine import PolicyEngine
from credward.settings.local import Settings
from credward.tokens import TokenRequest
from fakes.bearer_door import Bearer
from fakes.clock import FakeClock
from unit.administering.services import AGENT, PERSON, Peer

NAMES = ("alpha", "beta")
DAEMON, WORKER = 40, 41


def credential(name: str) -> CredentialConfig:
    return CredentialConfig(
        name=name, provider="local", settings=Settings(), epoch="e", grant="team", origin="c.toml:3"
    )


PERMITS = '@id("all") permit (principal is Caller, action, resource is Credential);\n'


class Bench:
    """A gate under a policy: *rule* in Cedar, none: everything is forbidden."""

    def __init__(self, folder: Path, rule: str = "", default: str | None = None) -> None:
        directory = None
        if rule:
            directory = folder / "policies"
            directory.mkdir()
            (directory / "rule.cedar").write_text(rule)
        config = Config(default=default, credentials={name: credential(name) for name in NAMES})
        policy = PolicyEngine.load(mode="system", owner_uid=1000, directory=directory)
        self.active = Active(config, policy)
        self.log = folder / "audit.log"
        self.folders: dict[int, str] = {}
        self.touched = 0
        self.gate = Gate(
            holder=self,
            recorder=Recorder(clock=FakeClock(), audit=AuditLog(self.log)),
            own_pid=DAEMON,
            worker_pids=lambda: frozenset({WORKER}),
            locked=lambda: False,
            folder_of=self.folders.get,
            asked=self._touch,
        )

    def _touch(self) -> None:
        self.touched += 1

    def issue(self, name: str, peer: Peer = PERSON, **words: Any) -> Authorized:
        """Ask for a token, at once."""
        authorized = self.gate.authorize("Issue", peer, TokenRequest(credential=name, **words))
        assert isinstance(authorized, Authorized)
        return authorized

    async def denial(self, name: str, *, grant: bool = False) -> str:
        """Return what the denial of an ask says, which must be a line of the log."""
        before = len(self.lines())
        with pytest.raises(BrokerError) as caught:
            if grant:
                await settled(self.gate.authorize("Login", PERSON, on_grant(name)))
            else:
                self.issue(name)
        assert caught.value.kind is Kind.DENIED, caught.value.message
        (line,) = self.lines()[before:]
        assert (line["outcome"], line["kind"]) == ("denied", "denied")
        return caught.value.message

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(each) for each in self.log.read_text().splitlines()]


@pytest.mark.parametrize("default", [None, "beta"])
@pytest.mark.parametrize("name", ["-", "alpha", "alfa", "team"])
async def test_s13_who_may_nothing_learns_no_name(
    tmp_path: Path, default: str | None, name: str
) -> None:
    """The default, one that exists, one that nearly does, one of a grant; by either way of asking."""
    bench = Bench(tmp_path, default=default)
    for grant in (False, True):
        text = await bench.denial(name, grant=grant)
        assert not any(each in text.replace(f'"{name}"', "") for each in (*NAMES, "team", "c.toml"))
        # The same words for one that there is and one that there is not.
        shown = "the default credential" if name == "-" and not grant else f'"{name}"'
        assert text.startswith(f"{shown} denied")


async def test_s13_who_may_have_one_does_not_learn_of_the_others(tmp_path: Path) -> None:
    """Several and no default: their names are for those who may have any of them."""
    bench = Bench(
        tmp_path,
        '@id("one") permit (principal is Caller, action, resource == Credential::"alpha");',
    )

    assert "beta" not in await bench.denial("-")
    assert bench.issue("alpha").rules == ("one",)


def test_s13_who_may_have_all_is_helped(tmp_path: Path) -> None:
    """With the names to choose from, and with the nearest one."""
    bench = Bench(
        tmp_path, '@id("all") permit (principal is Caller, action, resource is Credential);'
    )
    with pytest.raises(BrokerError, match="name one of alpha, beta"):
        bench.issue("-")
    with pytest.raises(BrokerError, match='perhaps "alpha"'):
        bench.issue("alfa")
    bench.active = msgspec.structs.replace(
        bench.active, config=msgspec.structs.replace(bench.active.config, default="beta")
    )

    authorized = bench.issue("-")
    assert authorized.credential.name == "beta"


def test_claude_code_hears_what_corrects_its_settings(tmp_path: Path) -> None:
    """A tool of it does not: its command says the name, and no settings."""
    bench = Bench(tmp_path, PERMITS)
    with pytest.raises(BrokerError, match="run credward setup claude-code alpha"):
        bench.issue("alfa", AGENT)
    for peer, in_tool in ((PERSON, False), (AGENT, True)):
        with pytest.raises(BrokerError, match="run credward status for the list"):
            bench.issue("alfa", peer, in_tool=in_tool)


def test_what_was_chosen_is_decided_on_as_if_it_had_been_named(tmp_path: Path) -> None:
    """By the caller's folder; one that it may not have is denied, and no other is given instead."""
    bench = Bench(
        tmp_path, '@id("one") permit (principal, action, resource == Credential::"alpha");'
    )
    choices = Choices(
        made=(Choice(credential="alpha"), Choice(credential="beta", folder="/home/me/src"))
    )
    bench.active = msgspec.structs.replace(bench.active, choices=choices)
    pid = PERSON.identify().pid
    assert pid is not None

    assert bench.issue("-").credential.name == "alpha"
    for folder, allowed in (("/home/me", True), ("/home/me/src/x", False), ("/home/me/srcs", True)):
        bench.folders[pid] = folder
        if allowed:
            assert bench.issue("-").credential.name == "alpha"
        else:
            with pytest.raises(BrokerError, match="the default credential denied"):
                bench.issue("-")


async def test_what_owners_do_takes_a_closer_look(tmp_path: Path) -> None:
    """By the action alone; a token is decided at once."""
    bench = Bench(tmp_path, PERMITS)
    deciding = bench.gate.authorize("Manage", PERSON, on_grant("team"))
    assert not isinstance(deciding, Authorized)
    found = await settled(deciding)

    assert (found.credential.name, found.action) == ("alpha", "Manage")
    assert await settled(bench.issue("beta")) is not None


def test_all_rules_that_permit_are_named(tmp_path: Path) -> None:
    """One without an id by its place."""
    bench = Bench(tmp_path, PERMITS + "permit (principal, action, resource);")

    assert bench.issue("alpha").rules == (f"{tmp_path}/policies/rule.cedar:2", "all")


def test_a_permit_with_an_obligation_that_nobody_meets_permits_nothing(tmp_path: Path) -> None:
    """Not even where another permit demands nothing: what all of them demand applies."""
    bench = Bench(tmp_path, PERMITS + '@approve("10m") permit (principal, action, resource);')
    with pytest.raises(BrokerError, match="needs @approve") as caught:
        bench.issue("alpha")

    assert caught.value.kind is Kind.DENIED
    assert [line["outcome"] for line in bench.lines()] == ["denied"]


def test_where_a_token_goes_counts_only_where_one_goes(tmp_path: Path) -> None:
    """A refresh hands nothing out."""
    bench = Bench(tmp_path, PERMITS)
    bound = msgspec.structs.replace(credential("alpha"), base_urls=("https://gw.example",))
    bench.active = msgspec.structs.replace(
        bench.active, config=Config(credentials={"alpha": bound})
    )
    with pytest.raises(BrokerError, match="base"):
        bench.issue("alpha")

    assert bench.issue("alpha", format=NOTHING).credential is bound
    assert bench.issue("alpha", client_base_url="https://gw.example/v1").credential is bound


def test_another_credential_is_decided_on_as_if_it_had_been_named(tmp_path: Path) -> None:
    """For a caller that was looked at for this very request."""
    bench = Bench(tmp_path, PERMITS)
    asked = bench.issue("alpha")
    instead = bench.gate.authorize_instead(asked, "beta")

    assert (instead.credential.name, instead.caller) == ("beta", asked.caller)
    assert instead.request_id != asked.request_id


async def test_the_last_denial_of_a_token_is_remembered(tmp_path: Path) -> None:
    """Of a credential that exists, whatever else is denied; by the rule that was in the log."""
    rule = '@id("none") forbid (principal, action, resource == Credential::"alpha");'
    bench = Bench(tmp_path, PERMITS + rule, default="beta")
    await bench.denial("alpha", grant=True)
    assert bench.gate.last_denial("alpha") is None
    await bench.denial("alpha")
    bench.issue("beta")
    found = bench.gate.last_denial("alpha")

    assert found is not None
    assert (found.caller, found.rule) == (PERSON.identify(), bench.lines()[-1]["rule"])
    assert found.at == FakeClock().now()
    assert bench.gate.last_denial("beta") is None


async def test_denials_of_names_that_do_not_exist_are_not_remembered(tmp_path: Path) -> None:
    """There is no end of them."""
    bench = Bench(tmp_path)
    await bench.denial("alfa")

    assert bench.gate.last_denial("alfa") is None


@pytest.mark.parametrize(
    ("ancestors", "complete", "refused"),
    [
        ((WORKER, DAEMON, 1), True, True),
        ((WORKER,), False, True),
        ((7, DAEMON, 1), True, False),
        ((7, 1), True, False),
        ((), False, False),
    ],
)
@pytest.mark.parametrize("pid", [WORKER, 8])
def test_a_worker_that_asks_is_refused(
    tmp_path: Path, pid: int, ancestors: tuple[int, ...], complete: bool, refused: bool
) -> None:
    """Itself and what it runs, also if only a part of the chain could be seen."""
    bench = Bench(tmp_path, PERMITS)
    caller = msgspec.structs.replace(
        PERSON.identify(),
        pid=pid,
        ancestors=tuple(Ancestor(each, 0) for each in ancestors),
        ancestry_complete=complete,
    )
    sees_itself = pid == WORKER and (DAEMON in ancestors or not complete)
    wanted = pytest.raises(BrokerError) if refused or sees_itself else contextlib.nullcontext()
    with wanted as caught:
        bench.gate.authorize("Issue", Bearer(caller), TokenRequest(credential="alpha"))

    assert caught is None or caught.value.kind is Kind.RECURSION


def test_the_daemon_itself_does_not_keep_the_store_open(tmp_path: Path) -> None:
    """A store that locks itself when nobody asks would never lock with a file to keep fresh."""
    bench = Bench(tmp_path, PERMITS)
    bench.issue("alpha", Peer(msgspec.structs.replace(PERSON.caller, handle="self", door="file")))
    assert bench.touched == 0
    bench.issue("alpha")
    assert bench.touched == 1
