"""Brings a user through one sign-in at Entra ID, by msal: sign-in page or code.

Showing, waiting and listening are `LoginIo`'s; what a refusal means is `errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from credward.errors import BrokerError, Kind, login_required
from credward.providers.entra.answers import read_number
from credward.providers.entra.clients import make_client
from credward.providers.entra.errors import Asker, read_refusal
from credward.providers.entra.grants import write_grant
from credward.providers.entra.http import MsalHttp, call_msal
from credward.providers.provider import Grant, LoginIo, LoginMethod, ProviderRequest
from credward.settings.entra import Settings

__all__ = ["log_in"]

# RFC 8628 section 3.5: what says that the user is not done yet.
_PENDING = frozenset({"authorization_pending", "slow_down"})
_SLOWER = 5.0


def log_in(
    token_request: ProviderRequest, scopes: tuple[str, ...], io: LoginIo, method: LoginMethod
) -> Grant:
    """Return the grant of one login, or raise `BrokerError`."""
    credential, settings = token_request.credential, token_request.settings
    assert isinstance(settings, Settings)
    if method not in settings.meaning.grant.logins:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" has no login by {method}, for its application has a credential: '
            f"run credward login {credential} --method browser",
        )
    asker = Asker(
        credential=credential,
        tenant=settings.tenant or "the tenant",
        client_id=settings.client_id or "the application",
        login=f"run credward login {credential}",
    )
    http = MsalHttp(io, asker, settings.timeout)
    client = make_client(token_request, http, io)
    claims = token_request.claims or settings.claims
    login = _Login(credential, settings, scopes, claims, io, http, client)
    result = login.by_code() if method == "device" else login.by_page()
    if "error" in result:
        raise read_refusal(result, asker)
    return login.read(result)


class _Login:
    """One sign-in with one client."""

    def __init__(
        self,
        credential: str,
        settings: Settings,
        scopes: tuple[str, ...],
        claims: str | None,
        io: LoginIo,
        http: MsalHttp,
        client: Any,
    ) -> None:
        self._credential = credential
        self._settings = settings
        self._scopes = list(scopes)
        self._claims = claims
        self._io = io
        self._http = http
        self._client = client

    def by_page(self) -> Mapping[str, Any]:
        """Authorization code with PKCE, state and nonce (RFC 6749 4.1, RFC 7636), all by msal.

        The address is `http://localhost:PORT`: Entra ID takes any port of a registered
        `http://localhost` (learn.microsoft.com, "Redirect URI restrictions").
        """
        flow: dict[str, Any] = {}

        def make_url(redirect_uri: str) -> str:
            started = self._call(
                lambda: self._client.initiate_auth_code_flow(
                    self._scopes,
                    # Registered without a path, and compared as text.
                    redirect_uri=redirect_uri.rstrip("/"),
                    # What a listener on loopback can read; msal would have a form posted.
                    response_mode="query",
                    login_hint=self._settings.account,
                    claims_challenge=self._claims,
                    # Else the browser's last account is taken without a question.
                    prompt=None if self._settings.account else "select_account",
                )
            )
            flow.clear()
            flow.update(started)
            return str(flow["auth_uri"])

        query = dict(self._io.receive_redirect(make_url, path="/", host="localhost"))
        if "error" not in query and query.get("state") != flow.get("state"):
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{self._credential}" got no login, the browser came back from another login: '
                f"run credward login {self._credential}",
            )
        if "error" in query:
            return query
        return self._call(lambda: self._client.acquire_token_by_auth_code_flow(flow, query))

    def by_code(self) -> Mapping[str, Any]:
        """Device code (RFC 8628): one poll at a time, the waiting between them is ours."""
        started = self._io.now()
        flow = self._call(
            lambda: self._client.initiate_device_flow(self._scopes, claims_challenge=self._claims)
        )
        if "user_code" not in flow:
            return flow
        self._io.show_code(
            user_code=str(flow["user_code"]),
            url=str(flow.get("verification_uri") or flow.get("verification_url") or ""),
            complete_url=flow.get("verification_uri_complete"),
        )
        interval = read_number(flow.get("interval")) or _SLOWER
        ends_at = started + (read_number(flow.get("expires_in")) or 900.0)
        # msal would wait by itself, and warn about frequent calls.
        flow["interval"] = 1
        while True:
            self._io.wait(interval)
            flow.pop("latest_attempt_at", None)
            result = self._call(
                lambda: self._client.acquire_token_by_device_flow(
                    flow, exit_condition=lambda _: True
                )
            )
            if result.get("error") not in _PENDING:
                return result
            if result.get("error") == "slow_down":
                interval += _SLOWER
            if self._io.now() >= ends_at:
                return {"error": "expired_token"}

    def read(self, result: Mapping[str, Any]) -> Grant:
        """Return the grant, if it is of the account that was asked for."""
        claims = result.get("id_token_claims")
        claims = claims if isinstance(claims, dict) else {}
        names = [claims.get(each) for each in ("preferred_username", "upn", "email")]
        known = [name for name in names if isinstance(name, str) and name]
        wanted = self._settings.account
        if wanted is not None and wanted.casefold() not in {name.casefold() for name in known}:
            other = f'"{known[0]}"' if known and known[0].isprintable() else "somebody else"
            reason = f'of "{wanted}", not {other}'
            raise login_required(self._credential, reason=reason).error()
        refresh_token = result.get("refresh_token")
        if not isinstance(refresh_token, str) or not refresh_token:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{self._credential}" got no refresh token: allow offline_access to '
                f"{self._settings.client_id}",
            )
        return write_grant(refresh_token, known[0] if known else None)

    def _call(self, function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return call_msal(self._http, self._credential, function)
