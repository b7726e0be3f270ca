"""An identity of a SPIFFE Workload API, for every exchange that takes the JWT of another issuer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from contract.ways import WAYS, Far, Mint, Way, far
from credward.errors import BrokerError, Kind
from credward.settings.references import PROOFS
from fakes import anthropic_oauth, google_server

pytest.importorskip("spiffe")

from fakes.workload_api import WorkloadApi

__all__ = ["far"]

AUDIENCE = "https://exchange.example.com"


@dataclass(frozen=True)
class Exchange:
    """A way with a JWT as *setting*; *trust* makes the far side take this one for a while."""

    setting: str
    way: Callable[[Far], Way]
    trust: Callable[[Far, pytest.MonkeyPatch, WorkloadApi, str], None] | None = None


def _gcp(far: Far) -> Way:
    info = google_server.external_account({})
    del info["credential_source"]
    return Way(provider="gcp", settings={"external_account": info, "subject_token": {"store": "x"}})


def _trust_anthropic(far: Far, patch: pytest.MonkeyPatch, api: WorkloadApi, _svid: str) -> None:
    patch.setattr(far.anthropic, "public_key", api.key.public_key())
    patch.setattr(far.anthropic, "audience", AUDIENCE)


EXCHANGES = {
    "entra": Exchange(
        "client_assertion",
        WAYS["entra-assertion"],
        lambda far, patch, _, svid: patch.setattr(far.entra, "assertion", svid),
    ),
    "aws": Exchange(
        "web_identity_token",
        WAYS["aws-web-identity"],
        lambda far, patch, _, svid: patch.setitem(far.aws.owners, svid, "pod"),
    ),
    "gcp": Exchange(
        "subject_token",
        _gcp,
        lambda far, patch, _, svid: patch.setattr(far.google, "takes", svid.__eq__),
    ),
    "vault": Exchange(
        "jwt",
        WAYS["vault-jwt"],
        lambda far, patch, _, svid: patch.setitem(
            far.vault.logins, "jwt", {"role": "app", "jwt": svid}
        ),
    ),
    "anthropic": Exchange("identity", WAYS["anthropic-federation"], _trust_anthropic),
    "oauth-jwt-bearer": Exchange("assertion", WAYS["oauth-jwt-bearer"]),
    "oauth-token-exchange": Exchange("subject_token", WAYS["oauth-token-exchange"]),
    "oauth-client-assertion": Exchange("client_assertion", WAYS["oauth-client-assertion"]),
}


@pytest.fixture
def api() -> Iterator[WorkloadApi]:
    """Return a Workload API that has the same identity until another is asked for."""
    with WorkloadApi() as running:
        running.claims = {"iss": anthropic_oauth.ISSUER, "iat": int(time.time())}
        yield running


def with_identity(exchange: Exchange, far: Far, api: WorkloadApi) -> Way:
    """Return the way, its JWT from the Workload API."""
    way = exchange.way(far)
    reference = {"spiffe": api.address, "audience": AUDIENCE}
    secrets: dict[str, Any] = {**way.secrets}
    secrets.pop(exchange.setting, None)
    return Way(
        provider=way.provider,
        settings={**way.settings, exchange.setting: reference},
        secrets=secrets,
        environ=way.environ,
    )


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
def test_an_identity_is_traded_for_a_token(
    far: Far, api: WorkloadApi, monkeypatch: pytest.MonkeyPatch, exchange: Exchange
) -> None:
    """Asked for once, for the audience of the settings, and presented once."""
    way = with_identity(exchange, far, api)
    svid = api.sign(AUDIENCE)
    api.give = lambda _audience: [svid]
    if exchange.trust is not None:
        exchange.trust(far, monkeypatch, api, svid)
    mint = Mint(far, way)
    token = mint.run()

    assert token.secret.reveal()
    assert api.asked == [AUDIENCE]
    assert sum(svid.encode() in each.body for each in mint.sent) == 1


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
def test_without_an_identity_nothing_is_exchanged(
    far: Far, api: WorkloadApi, exchange: Exchange
) -> None:
    """The failure is that of the Workload API, and no use of a grant."""
    import grpc

    way = with_identity(exchange, far, api)
    api.refusal = grpc.StatusCode.PERMISSION_DENIED
    mint = Mint(far, way)
    with pytest.raises(BrokerError, match="spire-server entry create") as caught:
        mint.run()

    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert caught.value.failure.sent == "no"
    # Some ask first where an exchange is.
    assert [each.method for each in mint.sent if each.method != "GET"] == []


def test_every_place_for_a_proof_is_tried() -> None:
    """A setting that takes one has its exchange here."""
    assert {each.setting for each in EXCHANGES.values()} == PROOFS
