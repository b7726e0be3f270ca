"""Identities of a SPIFFE Workload API: what is asked, and what each failure is."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.provider import ProviderRequest
from credward.providers.references import read_secret
from credward.settings.aws import Settings
from credward.settings.references import Reference
from fakes.io import FakeIo

ROLE = "arn:aws:iam::123456789012:role/agent"


@pytest.fixture
def api():
    """Return a Workload API; it needs the extra, which brings its stubs."""
    pytest.importorskip("spiffe")
    from fakes.workload_api import WorkloadApi

    with WorkloadApi() as running:
        yield running


def read(address: str, *, timeout: float = 30.0) -> str:
    """Read the web identity of a credential as its provider does."""
    identity = Reference(spiffe=address, audience="sts.amazonaws.com")
    settings = Settings(role_arn=ROLE, web_identity_token=identity)
    request = ProviderRequest(credential="deploy", settings=settings)
    return read_secret(request, "web_identity_token", FakeIo(), timeout=timeout).reveal()


def failure(address: str, *, timeout: float = 30.0) -> tuple[Kind, str]:
    with pytest.raises(BrokerError) as caught:
        read(address, timeout=timeout)
    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"
    return caught.value.kind, caught.value.message


def test_it_is_asked_for_each_use(api) -> None:
    """For the audience of the settings; agents keep what they have."""
    first, second = read(api.address), read(api.address)

    assert api.asked == ["sts.amazonaws.com"] * 2
    assert first.count(".") == second.count(".") == 2


def test_the_first_of_several_identities_is_taken(api) -> None:
    """As the specification advises."""
    svids = [api.sign("sts.amazonaws.com", n=number) for number in range(2)]
    api.give = lambda _audience: svids

    assert read(api.address) == svids[0]


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("PERMISSION_DENIED", Kind.PROVIDER_REFUSED, f"-selector unix:uid:{os.geteuid()}"),
        ("UNAVAILABLE", Kind.PROVIDER_UNREACHABLE, "does not answer: check that its agent runs"),
        ("INVALID_ARGUMENT", Kind.FIX_CONFIGURATION, "correct audience"),
        ("INTERNAL", Kind.PROVIDER_REFUSED, "(INTERNAL): look into the log of its agent"),
    ],
)
def test_each_refusal_says_what_to_check(api, code: str, kind: Kind, words: str) -> None:
    """In one line, without what the agent said."""
    import grpc

    api.refusal = grpc.StatusCode[code]
    found, line = failure(api.address)

    assert found is kind
    assert line.startswith('"deploy" got no identity, the SPIFFE Workload API at /')
    assert words in line


def test_an_agent_that_hangs_is_waited_for_no_longer_than_the_exchange(api) -> None:
    """It waits for its server, perhaps."""
    api.delay = 3.0
    kind, line = failure(api.address, timeout=0.2)

    assert kind is Kind.TIMED_OUT
    assert "check that its agent reaches its server" in line


@pytest.mark.parametrize("wrong", ["text", "other audience", "expired", "nothing"])
def test_what_is_no_identity_for_this_is_not_presented(api, wrong: str) -> None:
    """The client looks at it; what it says of it is not passed on."""
    answers = {
        "text": lambda _: ["canary-token"],
        "other audience": lambda _: [api.sign("canary")],
        "expired": lambda audience: [api.sign(audience, exp=1)],
        "nothing": lambda _: [],
    }
    api.give = answers[wrong]
    kind, line = failure(api.address)

    assert kind is Kind.PROVIDER_REFUSED
    assert re.search(r"gave no usable JWT-SVID \(\w+\): look into the log", line)


def test_a_missing_socket_is_named(tmp_path: Path) -> None:
    """An agent that starts later is found at the next try."""
    pytest.importorskip("spiffe")
    kind, line = failure(f"unix://{tmp_path}/agent.sock")

    assert kind is Kind.PROVIDER_UNREACHABLE
    assert f"no SPIFFE Workload API is at {tmp_path}/agent.sock (No such file" in line


def test_a_file_is_no_socket(tmp_path: Path) -> None:
    """Nor is a socket that others keep for themselves."""
    pytest.importorskip("spiffe")
    (tmp_path / "agent.sock").touch()
    kind, line = failure(f"unix://{tmp_path}/agent.sock")

    assert kind is Kind.FIX_CONFIGURATION
    assert "is not a socket that this user may open" in line


def test_a_missing_package_is_named_with_the_command(monkeypatch) -> None:
    """It is an extra, for gRPC is large."""
    monkeypatch.setitem(sys.modules, "spiffe", None)
    kind, line = failure("unix:///run/spire/agent.sock")

    assert kind is Kind.FIX_CONFIGURATION
    assert line.endswith("run pipx inject credward spiffe, or install credward[spiffe]")
