"""Tokens by `az`: a program here stands for it, run for real."""

from __future__ import annotations

import json

import pytest

from canaries import MARK, canary
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.providers.entra.az import mint_by_az
from credward.providers.io import Machine, WorkerIo
from credward.settings.entra import FOUNDRY_SCOPES, Settings
from fakes.entra_server import unsigned
from fakes.io import NOW, FakeIo

SCOPES = (FOUNDRY_SCOPES[0],)
TOKEN = unsigned({"uti": "uti-az", "exp": NOW + 100})


def answer(**fields):
    """Return what az prints, with its two ends."""
    fields = {
        "accessToken": TOKEN,
        "expiresOn": "2027-01-15 09:00:00.000000",
        "expires_on": NOW + 3000,
        "subscription": "s",
        "tenant": "t",
        "tokenType": "Bearer",
    } | fields
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def mint(io, **words):
    """Mint once for credential `foundry`."""
    return mint_by_az(Settings(source="az", resource="my-res", **words), "foundry", SCOPES, io)


def test_the_end_is_the_one_in_unix_seconds():
    """`expiresOn` is a local time of an unnamed zone."""
    token = mint(FakeIo(output=answer()))

    assert token.secret.reveal() == TOKEN
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 3000)
    assert (token.audience, token.upstream_id) == ("https://ai.azure.com", "uti-az")


def test_an_old_az_tells_the_end_in_local_time_only():
    """Then the token's own end is taken."""
    assert mint(FakeIo(output=answer(expires_on=None))).expires_at == NOW + 100


def test_how_az_is_asked():
    """By scope, within the tenant; both of its streams are read."""
    io = FakeIo(output=answer())
    mint(io, tenant="contoso.com", timeout=7)
    ((command, env, timeout),) = io.commands

    assert command[:2] == ("/bin/sh", "-c")
    assert command[3:] == (
        "az", "account", "get-access-token", "--output", "json", "--only-show-errors",
        "--scope", FOUNDRY_SCOPES[0], "--tenant", "contoso.com",
    )  # fmt: skip
    assert (env, timeout) == ({}, 7)


def test_a_warning_before_the_answer_is_skipped():
    """Python and az itself warn on the other stream."""
    assert mint(FakeIo(output=b"WARNING: old\n" + answer() + b"\n")).expires_at == NOW + 3000


@pytest.mark.parametrize(
    ("output", "exit_code", "kind", "says"),
    [
        (
            "ERROR: Please run 'az login' to setup account.",
            1,
            Kind.LOGIN_REQUIRED,
            "needs a login (of az): run az login --scope https://ai.azure.com/.default",
        ),
        (
            "ERROR: AADSTS70043: expired. Authentication is needed. Please run:\naz login",
            1,
            Kind.LOGIN_REQUIRED,
            "(AADSTS70043, sign-in frequency of conditional access): run az login --scope",
        ),
        ("ERROR: AADSTS50076: X", 1, Kind.LOGIN_REQUIRED, "a second factor is required"),
        ("ERROR: AADSTS500011: X", 1, Kind.FIX_CONFIGURATION, "correct scope"),
        ("ERROR: AADSTS53003: X", 1, Kind.PROVIDER_REFUSED, "conditional access"),
        (
            "HTTPSConnectionPool(host='x'): Max retries exceeded with url: /secret",
            1,
            Kind.PROVIDER_UNREACHABLE,
            "az has no network connection",
        ),
        ("AADSTS999999999: X", 1, Kind.PROVIDER_REFUSED, "az failed (exit code 1)"),
        ("usage", 2, Kind.PROVIDER_REFUSED, "az failed (exit code 2)"),
        ("", -9, Kind.PROVIDER_REFUSED, "az failed (signal 9)"),
        ("", 127, Kind.FIX_CONFIGURATION, "install the Azure CLI"),
        ("", 126, Kind.FIX_CONFIGURATION, "run chmod +x az"),
    ],
)
def test_what_az_says_is_classified(output, exit_code, kind, says):
    """By code, by words, by exit code; none of its text is repeated."""
    failing = FakeIo(output=f"{output} {canary('az')}".encode(), exit_code=exit_code)
    with pytest.raises(BrokerError) as caught:
        mint(failing)

    assert caught.value.kind is kind
    assert says in caught.value.message
    assert MARK not in caught.value.message + caught.value.failure.hint


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"{",
        b"[]",
        b"<html>",
        b"\xff{}",
        answer(accessToken=None),
        answer(accessToken="two words"),
        answer(expires_on=1),
        answer(expires_on=NOW * 1000),
        answer(expires_on="soon", accessToken="opaque"),
    ],
)
def test_t7_what_is_no_token_is_refused(output):
    """Never a success without a token that lives."""
    with pytest.raises(BrokerError) as caught:
        mint(FakeIo(output=output))

    assert caught.value.kind is Kind.PROVIDER_REFUSED


def test_a_real_program(tmp_path):
    """At a path below HOME; what it writes to stderr when it fails is seen."""
    shim = tmp_path / "az"
    io = WorkerIo(
        Machine(
            clock=SystemClock(), now=NOW, environ={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        ),
        credential="foundry",
    )
    chosen = Settings(source="~/az", resource="my-res")
    for script, kind in (
        ("echo 'Please run az login' >&2; exit 1", Kind.LOGIN_REQUIRED),
        ("echo AADSTS500011 >&2; exit 1", Kind.FIX_CONFIGURATION),
    ):
        shim.write_text(f"#!/bin/sh\n{script}\n")
        shim.chmod(0o700)
        with pytest.raises(BrokerError) as caught:
            mint_by_az(chosen, "foundry", SCOPES, io)
        assert caught.value.kind is kind
    shim.write_text(f"#!/bin/sh\necho warning >&2\necho '{answer().decode()}'\n")
    assert mint_by_az(chosen, "foundry", SCOPES, io).secret.reveal() == TOKEN
    shim.chmod(0o600)
    with pytest.raises(BrokerError, match="run chmod"):
        mint_by_az(chosen, "foundry", SCOPES, io)
    shim.unlink()
    with pytest.raises(BrokerError, match="is not found"):
        mint_by_az(chosen, "foundry", SCOPES, io)
