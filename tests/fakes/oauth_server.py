"""An OAuth 2.0 authorization server on loopback: strict, with rotation and reuse detection, and bad answers to order.

`OAuthServer()` is a context manager; `issuer` is its address, `log` what it was asked, `script` what it
answers instead of the truth (first come, first served). The user says yes to everything, at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import socket
import ssl
import struct
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from fakes.http_server import Handler, HttpServer

KEY = generate_private_key(SECP256R1())
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(kw_only=True)
class Answer:
    """One answer to order. *after*: the request is carried out first, and the true answer thrown away."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    reset: bool = False
    cut: int = 0
    delay: float = 0.0


@dataclass(kw_only=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass(kw_only=True)
class Family:
    """What one login gave: the refresh token in force, those used up, and the key it is bound to."""

    current: str
    used: set[str] = field(default_factory=set)
    revoked: bool = False
    scope: str = ""
    jkt: str | None = None
    nonce: str | None = None
    # Whose it is, where not everybody's.
    email: str | None = None


class RefusedError(Exception):
    def __init__(self, code: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.headers = code, status, headers or {}


class OAuthServer:
    """State and rules; `handle` is called by the HTTP part below."""

    def __init__(
        self,
        *,
        client_id: str = "client-1",
        client_secret: str | None = None,
        client_key: Any = None,
        rotates: bool = True,
        lifetime: int = 3600,
        dpop_nonce: str | None = None,
        path: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.client_id, self.client_secret, self.client_key = client_id, client_secret, client_key
        self.rotates, self.lifetime, self.dpop_nonce = rotates, lifetime, dpop_nonce
        self.log: list[Asked] = []
        self.script: list[Answer | Callable[[Asked], Answer]] = []
        self.portal: Answer | None = None
        self.extra: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.well_known = f"{path}/.well-known/openid-configuration"
        self.device_script: list[str] = []
        self.families: list[Family] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.seen: set[str] = set()
        self._lock = threading.Lock()
        self._http = HttpServer(type("Answering", (_Answering,), {"owner": self}), tls=tls)
        self.issuer = f"{self._http.url}{path}"

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def paths(self) -> list[str]:
        return [each.path.rpartition("/")[2] for each in self.log]

    def grant(
        self,
        scope: str = "openid offline_access",
        jkt: str | None = None,
        email: str | None = None,
    ) -> str:
        """Return the refresh token of a login that nobody made."""
        family = Family(current=f"rt-{secrets.token_hex(8)}", scope=scope, jkt=jkt, email=email)
        self.families.append(family)
        return family.current

    # --- what is asked ---------------------------------------------------------------------------

    def handle(self, asked: Asked) -> Answer:
        with self._lock:
            self.log.append(asked)
            if self.portal is not None:
                # Somebody in between answers everything.
                return self.portal
            name = asked.path.rpartition("/")[2]
            if asked.method == "POST" and self.script:
                ordered = self.script.pop(0)
                ordered = ordered(asked) if callable(ordered) else ordered
                if ordered.after:
                    self._serve(asked, name)
                return ordered
            return self._serve(asked, name)

    def _serve(self, asked: Asked, name: str) -> Answer:
        try:
            if "/.well-known/" in asked.path:
                if asked.path != self.well_known:
                    return Answer(status=404, content_type="text/plain", body=b"no")
                return _json(self._metadata())
            match name:
                case "authorize":
                    return self._authorize(asked.form)
                case "device":
                    self._check_client(asked)
                    return self._begin_device(asked.form)
                case "token":
                    self._check_client(asked)
                    return _json(self._token(asked) | self.extra)
                case "revoke":
                    self._check_client(asked)
                    for family in self.families:
                        family.revoked |= family.current == asked.form["token"]
                    return Answer()
            return Answer(status=404, content_type="text/plain")
        except RefusedError as refusal:
            answer = _json({"error": refusal.code, "error_description": "SECRET description"})
            answer.status, answer.headers = refusal.status, refusal.headers
            return answer

    def _metadata(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "authorization_response_iss_parameter_supported": True,
        } | self.metadata
        return {name: value for name, value in found.items() if value is not None}

    def _check_client(self, asked: Asked) -> None:
        form, basic = asked.form, asked.headers.get("authorization", "")
        if self.client_key is not None:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise RefusedError("invalid_client", 401)
            self.check_jwt(form.get("client_assertion", ""), self.client_id)
        elif self.client_secret is not None:
            given = form.get("client_id"), form.get("client_secret")
            if basic.startswith("Basic "):
                name, _, word = base64.b64decode(basic[6:]).decode().partition(":")
                given = unquote_plus(name), unquote_plus(word)
            if given != (self.client_id, self.client_secret):
                raise RefusedError("invalid_client", 401)
        elif form.get("client_id") != self.client_id:
            raise RefusedError("invalid_client", 401)

    def check_jwt(self, text: str, issuer: str) -> dict[str, Any]:
        """Verify an assertion as RFC 7523 section 3 wants it, jti once; return its claims."""
        try:
            claims = jwt.decode(
                text,
                self.client_key,
                algorithms=["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"],
                audience=[self.issuer, f"{self.issuer}/token"],
                issuer=issuer,
                options={"require": ["exp", "iat", "jti", "sub"]},
                leeway=10**9,  # tests live at another time
            )
        except jwt.PyJWTError as error:
            raise RefusedError("invalid_client", 401) from error
        if claims["jti"] in self.seen:
            raise RefusedError("invalid_client", 401)
        self.seen.add(claims["jti"])
        return claims

    def _authorize(self, form: dict[str, str]) -> Answer:
        redirect = urlsplit(form["redirect_uri"])
        assert form["response_type"] == "code"
        assert form["code_challenge_method"] == "S256"
        assert redirect.hostname in {"127.0.0.1", "localhost"}
        code = secrets.token_hex(8)
        self.codes[code] = form
        query = {"code": code, "state": form["state"], "iss": self.issuer}
        return Answer(
            status=303, headers={"Location": f"{form['redirect_uri']}?{urlencode(query)}"}
        )

    def _begin_device(self, form: dict[str, str]) -> Answer:
        code = secrets.token_hex(8)
        self.codes[code] = form
        return _json(
            {
                "device_code": code,
                "user_code": "ABCD-EFGH",
                "verification_uri": f"{self.issuer}/activate",
                "verification_uri_complete": f"{self.issuer}/activate?user_code=ABCD-EFGH",
                "expires_in": 300,
                "interval": 2,
            }
        )

    # --- what is given ---------------------------------------------------------------------------

    def _token(self, asked: Asked) -> dict[str, Any]:
        form = asked.form
        # First: a nonce that is missing uses nothing up.
        jkt = self._prove(asked)
        match form.get("grant_type"):
            case "authorization_code":
                begun = self.codes.pop(form["code"], None)
                if begun is None or begun["redirect_uri"] != form["redirect_uri"]:
                    raise RefusedError("invalid_grant")
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                if (
                    base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                    != begun["code_challenge"]
                ):
                    raise RefusedError("invalid_grant")
                return self._log_in(begun, jkt)
            case grant_type if grant_type == DEVICE:
                if self.device_script:
                    raise RefusedError(self.device_script.pop(0))
                if (begun := self.codes.pop(form["device_code"], None)) is None:
                    raise RefusedError("invalid_grant")
                return self._log_in(begun, jkt)
            case "refresh_token":
                return self._refresh(form, jkt)
            case "client_credentials":
                return self._access(form.get("scope", ""))
            case grant_type if grant_type == EXCHANGE:
                if form["subject_token_type"] != "urn:ietf:params:oauth:token-type:jwt":
                    raise RefusedError("invalid_request")
                return self._access("") | {
                    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"
                }
            case grant_type if grant_type == BEARER:
                if form["assertion"] == "spent":
                    raise RefusedError("invalid_grant")
                return self._access("")
        raise RefusedError("unsupported_grant_type")

    def _log_in(self, begun: dict[str, str], jkt: str | None) -> dict[str, Any]:
        scope = begun.get("scope", "")
        answer = self._access(scope, jkt)
        if "offline_access" in scope:
            answer["refresh_token"] = self.grant(scope, jkt)
        if "openid" in scope:
            answer["id_token"] = self.id_token(nonce=begun.get("nonce"))
        return answer

    def _refresh(self, form: dict[str, str], jkt: str | None) -> dict[str, Any]:
        given = form["refresh_token"]
        family = next((one for one in self.families if given in {one.current, *one.used}), None)
        if family is None or family.revoked:
            raise RefusedError("invalid_grant")
        if given != family.current:
            # RFC 9700 section 4.14.2: somebody has a copy, so nobody keeps it.
            family.revoked = True
            raise RefusedError("invalid_grant")
        if family.jkt is not None and family.jkt != jkt:
            raise RefusedError("invalid_grant")
        scope = form.get("scope", family.scope)
        if not set(scope.split()) <= set(family.scope.split()):
            raise RefusedError("invalid_scope")
        answer = self._access(scope, jkt)
        if self.rotates:
            family.used.add(given)
            family.current = answer["refresh_token"] = f"rt-{secrets.token_hex(8)}"
        if "openid" in scope:
            whose = {} if family.email is None else {"email": family.email}
            answer["id_token"] = self.id_token(**whose)
        return answer

    def _prove(self, asked: Asked) -> str | None:
        """Verify a DPoP proof (RFC 9449 section 4.3); return the thumbprint of its key."""
        if (proof := asked.headers.get("dpop")) is None:
            return None
        header = jwt.get_unverified_header(proof)
        assert header["typ"] == "dpop+jwt"
        assert set(header["jwk"]) == {"kty", "crv", "x", "y"}
        key = jwt.PyJWK(header["jwk"], algorithm="ES256")
        claims = jwt.decode(proof, key, algorithms=["ES256"], options={"verify_iat": False})
        assert (claims["htm"], claims["htu"]) == ("POST", f"{self.issuer}/token")
        if claims["jti"] in self.seen:
            raise RefusedError("invalid_dpop_proof")
        self.seen.add(claims["jti"])
        if self.dpop_nonce is not None and claims.get("nonce") != self.dpop_nonce:
            raise RefusedError("use_dpop_nonce", headers={"DPoP-Nonce": self.dpop_nonce})
        return hashlib.sha256(json.dumps(header["jwk"], sort_keys=True).encode()).hexdigest()

    def _access(self, scope: str, jkt: str | None = None) -> dict[str, Any]:
        return {
            "access_token": f"at-{secrets.token_hex(8)}",
            "token_type": "Bearer" if jkt is None else "DPoP",
            "expires_in": self.lifetime,
            "scope": scope,
        }

    def id_token(self, **claims: Any) -> str:
        """Return an ID token for alice; *claims* replace, None takes away."""
        found = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "user-1",
            "email": "alice@example.com",
            "exp": int(time.time()) + 10**9,
            "jti": uuid.uuid4().hex,
        } | claims
        return jwt.encode(
            {name: value for name, value in found.items() if value is not None},
            KEY,
            algorithm="ES256",
        )


def _json(value: Any) -> Answer:
    return Answer(body=json.dumps(value).encode())


class _Answering(Handler):
    owner: OAuthServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self._answer(url.path, dict(parse_qsl(url.query)))

    def do_POST(self) -> None:
        body = self.body()
        self._answer(urlsplit(self.path).path, dict(parse_qsl(body.decode())))

    def _answer(self, path: str, form: dict[str, str]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.owner.handle(
            Asked(method=self.command, path=path, headers=headers, form=form)
        )
        if answer.delay:
            time.sleep(answer.delay)
        if answer.reset:
            # Closing with SO_LINGER 0 sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) - answer.cut])
        if answer.cut:
            self.close_connection = True
