"""What clients of Google's metadata server ask, each path as they ask it."""

from __future__ import annotations

import pytest

from credward.doors.gce import Gce
from credward.settings import gcp
from unit.administering.services import Services
from unit.doors.endpoint_rig import Answered, asking, credential, send

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
STORAGE = "https://www.googleapis.com/auth/devstorage.read_only"
EMAIL = "agent@acme.iam.gserviceaccount.com"
V1 = "/computeMetadata/v1"
ACCOUNT = f"{V1}/instance/service-accounts/default"


@pytest.fixture
def gce(services: Services) -> Gce:
    """Two accounts of a machine; the first one can also mint identity tokens."""
    vertex = gcp.Settings(project="acme", region="europe-west1", scopes=(SCOPE,))
    agent = gcp.Settings(impersonate_service_account=EMAIL)
    identity = gcp.Settings(token="id", audience="https://run.example")
    return Gce(
        asking(
            services,
            "gce",
            credential("vertex", vertex, "gcp", scopes=(STORAGE,)),
            credential("agent", agent, "gcp"),
            credential("identity", identity, "gcp", audiences=("https://other.example",)),
        ),
        services.clock,
    )


async def ask(gce: Gce, path: str, flavor: str = "Google") -> Answered:
    answer = await send(gce, path, metadata_flavor=flavor)
    assert answer.headers["metadata-flavor"] == "Google"
    return answer


@pytest.mark.parametrize("path", ["/", "", "/computeMetadata/", "/computeMetadata"])
async def test_a_probe_is_answered_without_any_header(gce: Gce, path: str) -> None:
    assert (await ask(gce, path, flavor="")).status == 200


@pytest.mark.parametrize("path", [f"{ACCOUNT}/token", f"{V1}/project/project-id", V1])
@pytest.mark.parametrize("flavor", ["", "google", "AWS"])
async def test_n2_the_flavor_is_needed(gce: Gce, path: str, flavor: str) -> None:
    assert (await ask(gce, path, flavor)).status == 403


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{V1}/project/project-id", "acme"),
        (f"{V1}/universe/universe-domain", "googleapis.com"),
        (f"{V1}/instance/zone", "projects/acme/zones/europe-west1-a"),
        (f"{V1}/instance/region", "projects/acme/regions/europe-west1"),
        (f"{V1}/project/numeric-project-id", "0"),
        (
            f"{V1}/instance/service-accounts/",
            f"default/\nvertex@credward.invalid/\n{EMAIL}/\nidentity@credward.invalid/\n",
        ),
        (f"{ACCOUNT}/email", "vertex@credward.invalid"),
        (f"{ACCOUNT}/scopes", f"{SCOPE}\n"),
        (f"{ACCOUNT}/aliases", "default\n"),
        (f"{V1}/instance/service-accounts/{EMAIL}/email", EMAIL),
    ],
)
async def test_facts_are_texts(gce: Gce, path: str, text: str) -> None:
    answer = await ask(gce, path)
    assert (answer.status, answer.text) == (200, text)


async def test_an_account_is_told_as_json(gce: Gce) -> None:
    answer = await ask(gce, f"{ACCOUNT}/?recursive=true")
    assert answer.json() == {
        "aliases": ["default"],
        "email": "vertex@credward.invalid",
        "scopes": [SCOPE],
    }


@pytest.mark.parametrize(
    "path",
    [
        f"{V1}/instance/attributes/ssh-keys",
        f"{V1}/instance/service-accounts/nobody@acme.iam.gserviceaccount.com/token",
        f"{ACCOUNT}/nothing",
        "/elsewhere",
    ],
)
async def test_what_is_not_known_is_not_found(gce: Gce, path: str) -> None:
    """As on a machine that does not have it: libraries go on."""
    assert (await ask(gce, path)).status == 404


@pytest.mark.parametrize("query", ["", f"?scopes={SCOPE}", "?scopes="])
async def test_its_own_scopes_need_no_other_token(gce: Gce, services: Services, query: str) -> None:
    answer = await ask(gce, f"{ACCOUNT}/token{query}")
    assert answer.json() == {
        "access_token": "token-1-vertex",
        "expires_in": 3600,
        "token_type": "Bearer",
    }
    assert [key.scopes for key in services.upstream.mints] == [()]


@pytest.mark.parametrize("separator", [",", "%20"])
async def test_scopes_that_are_served_are_narrowed(
    gce: Gce, services: Services, separator: str
) -> None:
    await ask(gce, f"{ACCOUNT}/token?scopes={STORAGE}{separator}{STORAGE}")
    assert [key.scopes for key in services.upstream.mints] == [(STORAGE,)]


async def test_other_scopes_are_not_available(gce: Gce, services: Services) -> None:
    """Never another token than the one that was asked for."""
    answer = await ask(gce, f"{ACCOUNT}/token?scopes={SCOPE},https://www.googleapis.com/auth/drive")
    assert answer.status == 400
    assert '"vertex" does not serve scope' in answer.text
    assert services.upstream.mints == []


async def test_an_account_is_known_by_its_address(gce: Gce, services: Services) -> None:
    await ask(gce, f"{V1}/instance/service-accounts/{EMAIL}/token")
    assert [key.credential for key in services.upstream.mints] == ["agent"]


async def test_a_credential_without_an_address_is_known_by_its_name(
    gce: Gce, services: Services
) -> None:
    """Gcloud asks for the account whose address it was told."""
    await ask(gce, f"{V1}/instance/service-accounts/vertex@credward.invalid/token")
    assert [key.credential for key in services.upstream.mints] == ["vertex"]


@pytest.mark.parametrize(
    ("audience", "minted"),
    [("https://run.example", None), ("https://other.example", "https://other.example")],
)
async def test_an_identity_token_is_for_its_audience(
    gce: Gce, services: Services, audience: str, minted: str | None
) -> None:
    answer = await ask(gce, f"{ACCOUNT}/identity?audience={audience}&format=full")
    assert answer.text == "token-1-identity"
    assert [key.audience for key in services.upstream.mints] == [minted]


@pytest.mark.parametrize(
    ("account", "query", "status"),
    [
        ("default", "?audience=https://unknown.example", 400),
        ("default", "", 400),
        (EMAIL, "?audience=https://run.example", 404),
    ],
)
async def test_no_identity_token_for_others(
    gce: Gce, services: Services, account: str, query: str, status: int
) -> None:
    path = f"{V1}/instance/service-accounts/{account}/identity{query}"
    assert (await ask(gce, path)).status == status
    assert services.upstream.mints == []


async def test_a_credential_that_is_gone_is_not_known(gce: Gce, services: Services) -> None:
    services.configure()
    assert (await ask(gce, f"{ACCOUNT}/token")).status == 404
