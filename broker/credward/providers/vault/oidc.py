"""A login in the browser: the server's own OIDC method, with its redirect to loopback.

The server is the client of the identity provider and checks its answer; here the code is carried
from the browser to the server.
"""

from __future__ import annotations

import hmac
import secrets
from functools import partial
from urllib.parse import parse_qs, urlsplit

from credward.errors import BrokerError, Kind
from credward.providers.provider import LoginIo
from credward.providers.vault.client import VaultClient, ask_vault
from credward.providers.vault.state import VaultToken
from credward.providers.vault.token import read_auth, settle_end

__all__ = ["log_in_by_browser"]

# What the vendors' command line registers, so what roles allow already.
_CALLBACK = "/oidc/callback"


def log_in_by_browser(vault: VaultClient, io: LoginIo) -> tuple[VaultToken, str | None]:
    """Run one login of the user; return the token and who logged in, if known.

    Source: the vendors' API pages of the JWT/OIDC method (`auth_url`, `callback`, `client_nonce`).
    """
    settings, adapter = vault.settings, vault.hvac.adapter
    nonce = secrets.token_urlsafe(24)
    expected = ""

    def make_url(redirect_uri: str) -> str:
        nonlocal expected
        words = {
            "role": settings.role or "",
            "redirect_uri": redirect_uri,
            "client_nonce": nonce,
        }
        call = partial(adapter.post, f"/v1/auth/{settings.mount}/oidc/auth_url", json=words)
        answer = ask_vault(vault, f'the login by oidc at "{settings.mount}"', call)
        match answer.get("data"):
            case {"auth_url": str(url)} if url.startswith(("https://", "http://")):
                expected = parse_qs(urlsplit(url).query).get("state", [""])[0]
                return url
        # The server gives this answer when it must not tell which of the two is wrong.
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{vault.name}" was not logged in, {vault.host} does not know its role or does not '
            f"allow the redirect to {redirect_uri}: correct role, or its allowed_redirect_uris",
        )

    query = io.receive_redirect(
        make_url, path=_CALLBACK, host="localhost", ports=(settings.oidc_port,)
    )
    if "error" in query or not query.get("code"):
        raise BrokerError(
            Kind.LOGIN_REQUIRED,
            f'"{vault.name}" was not logged in, the identity provider refused it: '
            f"run credward login {vault.name}",
        )
    if not expected or not hmac.compare_digest(query.get("state", "").encode(), expected.encode()):
        raise BrokerError(
            Kind.LOGIN_REQUIRED,
            f'"{vault.name}" was not logged in, the browser came back from another login: '
            f"run credward login {vault.name}",
        )
    words = {"state": expected, "code": query["code"], "client_nonce": nonce}
    now = io.now()
    call = partial(adapter.get, f"/v1/auth/{settings.mount}/oidc/callback", params=words)
    answer = ask_vault(vault, f'the login by oidc at "{settings.mount}"', call)
    return settle_end(vault, read_auth(vault, answer, now), io), _account(answer)


def _account(answer: dict[str, object]) -> str | None:
    match answer.get("auth"):
        case {"metadata": {"email": str(account)}} | {"metadata": {"username": str(account)}}:
            return account if account.isprintable() and len(account) <= 128 else None
        case _:
            return None
