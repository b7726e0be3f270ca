"""Who may not ask hears of no name that it did not say itself; each denial is written down."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from credward.audit import AuditLog
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.issuing.gate import Active, Gate
from credward.issuing.recording import Recorder
from credward.policy.engine import PolicyEngine
from credward.settings.local import Settings
from credward.tokens import TokenRequest
from fakes.clock import FakeClock
from unit.administering.services import PERSON

NAMES = ("alpha", "beta")


def credential(name: str) -> CredentialConfig:
    return CredentialConfig(
        name=name, provider="local", settings=Settings(), epoch="e", grant="team", origin="c.toml:3"
    )


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
        self.gate = Gate(
            holder=self,
            recorder=Recorder(clock=FakeClock(), audit=AuditLog(self.log)),
            worker_pids=frozenset,
            locked=lambda: False,
        )

    async def denial(self, name: str, *, grant: bool = False) -> str:
        """Return what the denial of an ask says, which must be a line of the log."""
        before = len(self.lines())
        with pytest.raises(BrokerError) as caught:
            if grant:
                await self.gate.admit_owner("Login", PERSON, name)
            else:
                self.gate.admit("Issue", PERSON, TokenRequest(credential=name))
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
    assert bench.gate.admit("Issue", PERSON, TokenRequest(credential="alpha")).rule == "one"


def test_s13_who_may_have_all_is_helped(tmp_path: Path) -> None:
    """With the names to choose from, and with the nearest one."""
    bench = Bench(
        tmp_path, '@id("all") permit (principal is Caller, action, resource is Credential);'
    )
    with pytest.raises(BrokerError, match="name one of alpha, beta"):
        bench.gate.admit("Issue", PERSON, TokenRequest(credential="-"))
    with pytest.raises(BrokerError, match='perhaps "alpha"'):
        bench.gate.admit("Issue", PERSON, TokenRequest(credential="alfa"))
    bench.active = dataclasses.replace(
        bench.active, config=dataclasses.replace(bench.active.config, default="beta")
    )

    authorized = bench.gate.admit("Issue", PERSON, TokenRequest(credential="-"))
    assert authorized.credential.name == "beta"
