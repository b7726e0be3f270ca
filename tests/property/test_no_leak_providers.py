"""H3: canaries in every secret, grant and answer of every provider reach no message, hint, warning, log, repr or traceback.

What answers is a family of answers per provider, good and bad ones, altered anywhere. Only names of things that people are
told on purpose (an account, an id for the audit log) hold no canary.
"""

from __future__ import annotations

import base64
import copy
import datetime as dt
import json
import logging
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credward.errors import BrokerError, Kind
from credward.providers.provider import (
    CommandResult,
    Grant,
    HttpRequest,
    HttpResponse,
    ProviderRequest,
)
from credward.settings.meaning import meaning_of
from credward.settings.references import references_in
from credward.settings.registry import SETTINGS
from credward.tokens import Secret
from examples import examples
from fakes.google_server import KEY, PEM, service_account
from fakes.io import NOW, FakeIo
from provider_classes import provider_class

# As a phrase, as an error code of each fashion, and as what a URL makes of it.
CANARIES = ["canary-4dk7", "canary 4dk7!", "canary_4dk7", "Canary4dk7", "CANARY4DK7"]
# Mostly the one that may stand in a token, so that mints get on.
CANARY = st.sampled_from([*CANARIES[:1] * 6, *CANARIES[1:]])
FOUND = re.compile(r"canary[^a-z0-9]*4dk7", re.IGNORECASE)

C = "\0"  # where a canary goes
GUID = "11111111-2222-3333-4444-555555555555"
END = NOW + 3600


def encoded(words: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")


def whole_jwt(audience: str) -> str:
    """Return a JWT that ends in a canary."""
    claims = {
        "iss": "https://h.example",
        "sub": "somebody",
        "aud": audience,
        "exp": int(END),
        "iat": int(NOW),
        "tid": GUID,
        "preferred_username": "somebody@contoso.com",
    }
    return ".".join([encoded({"alg": "RS256", "typ": "JWT"}), encoded(claims), "canary-4dk7w"])


JWT = whole_jwt("c")
REF = {"env": "CANARY"}

# What each provider may be set to: every reference gets a canary.
SAMPLES: Mapping[str, Sequence[dict[str, Any]]] = {
    "anthropic": [
        {"api_key": REF},
        {"federation_rule_id": "fdrl_x", "organization_id": GUID, "identity": REF},
        {
            "federation_rule_id": "fdrl_x",
            "organization_id": GUID,
            "identity_command": ["print-jwt"],
        },
        {"profile": "work"},
    ],
    "aws": [
        {"source": REF, "region": "eu-central-1"},
        {"source": REF, "role_arn": "arn:aws:iam::123456789012:role/x", "region": "eu-central-1"},
        {
            "web_identity_token": REF,
            "role_arn": "arn:aws:iam::123456789012:role/x",
            "region": "eu-central-1",
        },
        {"source": REF, "mfa_serial": "mfa", "region": "eu-central-1"},
        {"source": REF, "derive": "ecr", "region": "eu-central-1"},
        {
            "sso_start_url": "https://example.awsapps.com/start",
            "sso_region": "eu-central-1",
            "sso_account_id": "123456789012",
            "sso_role_name": "Agent",
        },
        {"credential_source": "Ec2InstanceMetadata", "region": "eu-central-1"},
    ],
    "command": [{"command": ["print-token"]}, {"command": ["print-token"], "lifetime": 60}],
    "entra": [
        {"tenant": "contoso.com", "client_id": GUID, "scope": "api://x/y"},
        {"tenant": "contoso.com", "client_id": GUID, "scope": "api://x/y", "token": "id"},
        {
            "tenant": "contoso.com",
            "client_id": GUID,
            "scope": "api://x/.default",
            "client_secret": REF,
        },
        {
            "tenant": "contoso.com",
            "client_id": GUID,
            "scope": "api://x/.default",
            "client_certificate": REF,
        },
        {
            "tenant": "contoso.com",
            "client_id": GUID,
            "scope": "api://x/.default",
            "client_assertion": REF,
        },
        {
            "tenant": "contoso.com",
            "client_id": GUID,
            "scope": "api://x/y",
            "client_secret": REF,
            "on_behalf_of": REF,
        },
        {"managed_identity": True, "scope": "api://x/.default"},
        {"source": "/usr/bin/az", "scope": "api://x/.default"},
    ],
    "gcp": [
        {"service_account_key": REF},
        {"client_id": "c", "client_secret": REF},
        {
            "client_id": "c",
            "client_secret": REF,
            "impersonate_service_account": "a@p.iam.gserviceaccount.com",
        },
        {"source": "metadata"},
        {
            "external_account": {
                "type": "external_account",
                "audience": "pool",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://sts.googleapis.com/v1/token",
            },
            "subject_token": REF,
        },
    ],
    "local": [{}, {"claims": {"role": "agent"}}],
    "oauth": [
        {"token_endpoint": "https://h.example/t", "client_id": "c", "grant_type": "refresh_token"},
        {"issuer": "https://h.example", "client_id": "c", "client_secret": REF},
        {"issuer": "https://h.example", "client_id": "c", "token": "id", "dpop": True},
        {
            "token_endpoint": "https://h.example/t",
            "client_id": "c",
            "grant_type": "client_credentials",
            "private_key": REF,
        },
        {
            "token_endpoint": "https://h.example/t",
            "client_id": "c",
            "grant_type": "token_exchange",
            "subject_token": REF,
            "client_assertion": REF,
        },
        {
            "token_endpoint": "https://h.example/t",
            "client_id": "c",
            "grant_type": "jwt_bearer",
            "assertion": REF,
        },
    ],
    "static": [{"secret": REF}, {"secret": REF, "kind": "api-key"}],
    "vault": [
        {"address": "https://v.example", "token": REF, "path": "secret/llm"},
        {"address": "https://v.example", "token": REF, "path": "aws/creds/x", "kv_version": 1},
        {"address": "https://v.example", "token": REF},
        {
            "address": "https://v.example",
            "auth_method": "approle",
            "role_id": REF,
            "secret_id": REF,
            "secret_id_wrapped": True,
            "path": "secret/llm",
        },
        {
            "address": "https://v.example",
            "auth_method": "userpass",
            "username": "u",
            "password": REF,
            "path": "secret/llm",
            "field": "key",
        },
        {"address": "https://v.example", "auth_method": "jwt", "role": "r", "jwt": REF},
        {"address": "https://v.example", "auth_method": "oidc", "role": "r"},
    ],
}

# What each reads from a server or a program; C is a canary.
AWS_END = "2027-01-15T08:30:00Z"
KEYS = {
    "AccessKeyId": C,
    "SecretAccessKey": C,
    "SessionToken": C,
    "Expiration": AWS_END,
}
OAUTH = [
    {
        "access_token": C, "token_type": "Bearer", "expires_in": 3600, "refresh_token": C,
        "id_token": JWT, "scope": C,
    },
    {"error": C, "error_description": C, "error_uri": C, "suberror": C, "claims": C},
    {"error": "invalid_grant", "error_description": f"AADSTS50076: {C}", "error_codes": [50076]},
    {"error": "invalid_client", "error_description": f"AADSTS7000215: {C}", "trace_id": C},
    {
        "device_code": C, "user_code": "ABCD", "verification_uri": "https://h.example/d",
        "expires_in": 60, "interval": 5,
    },
    {
        "issuer": "https://h.example", "token_endpoint": "https://h.example/t",
        "authorization_endpoint": "https://h.example/a", "jwks_uri": "https://h.example/j",
    },
]  # fmt: skip
ASSUMED = (
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIA</AccessKeyId>"
    f"<SecretAccessKey>{C}</SecretAccessKey><SessionToken>{C}</SessionToken>"
    f"<Expiration>{C}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
)
ANSWERS: Mapping[str, Sequence[Any]] = {
    "anthropic": [*OAUTH, {"error": {"type": C, "message": C}, "request_id": C}, C],
    "aws": [
        KEYS,
        {"Code": C, "Message": C, "__type": C},
        {"accessToken": C, "refreshToken": C, "expiresIn": 3600, "tokenType": "Bearer"},
        {"clientId": C, "clientSecret": C, "clientSecretExpiresAt": int(END)},
        {"roleCredentials": {"accessKeyId": C, "secretAccessKey": C, "sessionToken": C, "expiration": int(END) * 1000}},
        {"authorizationData": [{"authorizationToken": C, "expiresAt": END, "proxyEndpoint": C}]},
        f"<ErrorResponse><Error><Code>{C}</Code><Message>{C}</Message></Error></ErrorResponse>",
        f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{C}</Message></Error></ErrorResponse>",
        ASSUMED,
        C,
    ],
    "command": [
        {"version": 1, "token": C, "expires_at": END},
        {"access_token": C, "expires_in": C},
        {"token": [C], "error": C},
        KEYS,
        C,
    ],
    "entra": [
        *OAUTH,
        {"accessToken": C, "expires_on": int(END), "tokenType": "Bearer", "subscription": C},
        {"access_token": C, "expires_on": str(int(END)), "resource": C},
        {"error": {"code": C, "message": C}},
        {"value": JWT},
        C,
    ],
    "gcp": [
        *OAUTH,
        {"accessToken": C, "expireTime": "2027-01-15T09:00:00Z"},
        {"error": {"code": 403, "message": C, "status": C, "details": [{"reason": C, "metadata": {"x": C}}]}},
        {"error": "invalid_grant", "error_description": C, "error_subtype": C},
        C,
    ],
    "local": [C],
    "oauth": [*OAUTH, C],
    "static": [C],
    "vault": [
        {"auth": {"client_token": C, "accessor": C, "lease_duration": 3600, "renewable": True, "policies": [C]}},
        {"data": {"data": {"key": C}, "metadata": {"version": 1}}},
        {"data": {"access_key": C, "secret_key": C}, "lease_id": C, "lease_duration": 3600, "renewable": True},
        {"data": {"id": C, "ttl": 3600, "renewable": True, "orphan": False, "path": C}},
        {"data": {"secret_id": C}, "wrap_info": None},
        {"data": {"type": "kv", "options": {"version": "2"}, "path": "secret/"}},
        {"data": {"auth_url": "https://idp.example/a?state=x&nonce=y"}},
        {"errors": [C, C], "warnings": [C]},
        {"errors": []},
        C,
    ],
}  # fmt: skip
GRANTS = [
    None,
    C,
    f"{C}\n{C}",
    "{",
    {"refresh_token": C, "account": "somebody@example.com"},
    {"refresh_token": C, "dpop_key": C},
    {"client_id": C, "client_secret": C, "refresh_token": C, "access_token": C, "expires_at": END},
    {"token": {"token": C, "accessor": C}, "leases": [C], "access_token": C},
    {
        "access_key_id": "ASIAX",
        "secret_access_key": C,
        "session_token": C,
        "expires_at": END,
    },
]
SECRETS = [
    C,
    JWT,
    "",
    f"{C}\n{C}",
    f"-----BEGIN PRIVATE KEY-----\n{C}\n-----END PRIVATE KEY-----",
    json.dumps(KEYS),
    json.dumps({"type": "service_account", "private_key": C, "client_email": "a@b.example"}),
    f"sk-ant-api03-{C}",
    f"user:{C}",
]


TOKEN = OAUTH[0]


def good_answer(provider: str, url: str, body: bytes) -> Any:
    """Return what a server in order answers to this, or a program (*url* is its name)."""
    if "well-known" in url or url.endswith("openid-configuration"):
        metadata: dict[str, Any] = {**OAUTH[-1], "id_token_signing_alg_values_supported": ["RS256"]}
        if provider == "entra":
            metadata["issuer"] = f"https://login.microsoftonline.com/{GUID}/v2.0"
        return metadata
    match provider:
        case "aws":
            return _of_aws(url, body)
        case "gcp":
            if "generateAccessToken" in url:
                return {"accessToken": C, "expireTime": "2027-01-15T08:30:00Z"}
            if url.endswith("/email"):
                return "a@p.iam.gserviceaccount.com"
            return {
                "access_token": C,
                "token_type": "Bearer",
                "expires_in": 3600,
                "refresh_token": C,
            }
        case "command":
            return {"version": 1, "token": C, "expires_at": END}
        case "entra":
            if url.startswith("/"):
                return {"accessToken": C, "expires_on": int(END)}
            if "169.254" in url:
                return {
                    "access_token": C,
                    "expires_on": str(int(END)),
                    "resource": "x",
                    "token_type": "Bearer",
                }
            return {**TOKEN, "scope": "api://x/y", "id_token": whole_jwt(GUID)}
        case "anthropic":
            return C if url.startswith(("ant", "print")) else {**TOKEN, "scope": "x"}
        case "vault":
            return _of_vault(url)
        case _:
            return {**TOKEN, "scope": "openid"}


def _of_aws(url: str, body: bytes) -> Any:
    if "169.254" in url:
        keys = {"Code": "Success", "Token": C, "Type": "AWS-HMAC", **KEYS, "Expiration": AWS_END}
        return C if "api/token" in url else "agent" if url.endswith("/") else keys
    if "federation/credentials" in url:
        return ANSWERS["aws"][4]
    if "client/register" in url:
        return ANSWERS["aws"][3]
    if "device_authorization" in url:
        return {
            "deviceCode": C, "userCode": "ABCD", "verificationUri": "https://d.example/",
            "verificationUriComplete": "https://d.example/x", "expiresIn": 600, "interval": 5,
        }  # fmt: skip
    if "oidc." in url:
        return ANSWERS["aws"][2]
    if "ecr" in url:
        text = base64.b64encode(f"AWS:{CANARIES[0]}".encode()).decode()
        return {"authorizationData": [{"authorizationToken": text, "expiresAt": END}]}
    action = parse_qs(body.decode("latin-1")).get("Action", ["AssumeRole"])[0]
    return (
        f"<{action}Response><{action}Result><Credentials><AccessKeyId>ASIAX</AccessKeyId>"
        f"<SecretAccessKey>{C}</SecretAccessKey><SessionToken>{C}</SessionToken>"
        f"<Expiration>{AWS_END}</Expiration></Credentials></{action}Result></{action}Response>"
    )


def _of_vault(url: str) -> Any:
    if "/login" in url or "oidc/callback" in url:
        return ANSWERS["vault"][0]
    if "auth_url" in url:
        return {"data": {"auth_url": "https://idp.example/a?state=s&nonce=n"}}
    if "internal/ui/mounts" in url:
        return {"data": {"type": "kv", "options": {"version": "2"}, "path": "secret/"}}
    if "lookup-self" in url:
        return ANSWERS["vault"][3]
    if "unwrap" in url:
        return {"data": {"secret_id": C}}
    return ANSWERS["vault"][2 if "aws" in url else 1]


def _certificate() -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "credward")])
    now = dt.datetime.fromtimestamp(NOW, dt.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    built = built.public_key(KEY.public_key()).not_valid_before(now - dt.timedelta(9))
    return (
        built.not_valid_after(now + dt.timedelta(9))
        .sign(KEY, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


CERTIFICATE = _certificate()
# What is well-formed, for the settings that want more than a canary.
GOOD_SECRETS = {
    "service_account_key": service_account(private_key_id=C),
    "private_key": PEM,
    "client_certificate": f"{CERTIFICATE}{PEM}",
    "source": {**KEYS, "Version": 1, "Expiration": "2027-01-15T08:30:00Z"},
    "web_identity_token": JWT,
    "identity": JWT,
    "identity_command": JWT,
    "jwt": JWT,
    "assertion": JWT,
    "client_assertion": JWT,
    "on_behalf_of": JWT,
    "subject_token": JWT,
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to everything inside *value*."""
    found = [path] if path else []
    pairs: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        found += places(inner, (*path, key))
    return found


@st.composite
def texts(draw: st.DrawFn, templates: Sequence[Any], *, altered: bool = True) -> str:
    """Return one of *templates* as text, perhaps altered at one place, with a canary in it."""
    canary = draw(CANARY)
    value = copy.deepcopy(draw(st.sampled_from(templates)))
    inside = places(value)
    if altered and inside and draw(st.booleans()):
        *outer, last = draw(st.sampled_from(inside))
        holder = value
        for key in outer:
            holder = holder[key]
        holder[last] = draw(
            st.sampled_from([C, [C], {C: C}, None, 0, -1, 1e300, True, "", f"{C} {C}"])
        )
    if isinstance(value, str):
        return value.replace(C, canary)
    return json.dumps(value).replace(json.dumps(C)[1:-1], canary)


@st.composite
def responses(draw: st.DrawFn, templates: Sequence[Any]) -> HttpResponse:
    canary = draw(CANARY)
    headers = {
        "content-type": draw(st.sampled_from(["application/json", "text/xml", "text/html", canary]))
    }
    if draw(st.booleans()):
        for name in (
            "location",
            "www-authenticate",
            "retry-after",
            "x-amzn-errortype",
            "dpop-nonce",
            "date",
        ):
            headers[name] = canary
    return HttpResponse(
        status=draw(st.sampled_from([200, 200, 200, 200, 302, 400, 401, 403, 404, 429, 500, 503])),
        headers=headers,
        body=draw(texts(templates)).encode(),
    )


@dataclass(slots=True, kw_only=True)
class LeakyIo(FakeIo):
    """A world in which everything that answers holds a canary, and so does what the user types."""

    provider: str
    # In turn; None is the answer of a server in order.
    answers: Sequence[HttpResponse | None] = (None,)
    comes_back: Mapping[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    waits: int = 0
    asked: int = 0

    def send(self, http_request: HttpRequest) -> HttpResponse:
        self.requests.append(http_request)
        return self._answer(http_request.url, http_request.body)

    def _answer(self, url: str, body: bytes = b"") -> HttpResponse:
        answer = self.answers[self.asked % len(self.answers)]
        self.asked += 1
        if answer is not None:
            return answer
        good = good_answer(self.provider, url, body)
        text = good if isinstance(good, str) else json.dumps(good)
        return HttpResponse(
            status=200,
            headers={
                "content-type": "text/xml" if text.startswith("<") else "application/json",
                "metadata-flavor": "Google",
            },
            body=text.replace(json.dumps(C)[1:-1], CANARIES[0]).replace(C, CANARIES[0]).encode(),
        )

    def run_command(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] = {},
        timeout: float,
        standard_input: bytes = b"",
    ) -> CommandResult:
        answer = self._answer(command[0])
        self.commands.append((tuple(command), dict(env), timeout))
        failed = {200: 0, 400: 67, 401: 1, 403: 78}.get(answer.status, 3)
        return CommandResult(
            exit_code=failed, output=answer.body, error_size=9, error_line=CANARIES[0]
        )

    def open_url(self, url: str) -> None:
        pass

    def show_code(self, *, user_code: str, url: str, complete_url: str | None) -> None:
        pass

    def prompt(self, field: str, label: str, *, secret: bool = False) -> str:
        self.shown.append(label)
        return CANARIES[1]

    def wait(self, seconds: float) -> None:
        self.waits += 1
        if self.waits > 4:
            raise BrokerError(Kind.TIMED_OUT, '"gateway" was waited for: that is enough here')
        self.time += max(seconds, 1.0)

    def receive_redirect(
        self,
        make_url: Callable[[str], str],
        *,
        path: str = "/callback",
        host: str = "127.0.0.1",
        ports: Sequence[int] = (0,),
    ) -> Mapping[str, str]:
        asked = parse_qs(urlsplit(make_url(f"http://{host}:{ports[0] or 9}{path}")).query)
        state = {"state": asked["state"][0]} if "state" in asked else {}
        return {**state, **self.comes_back}


class Hunt(logging.Handler):
    """Keeps what is logged: everything of ours, warnings of the SDKs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or record.name.startswith("credward"):
            self.lines.append(logging.Formatter().format(record))


def outcome(act: Callable[[], object]) -> list[str]:
    """Return everything printable that comes of *act*, which may fail by `BrokerError` alone."""
    try:
        made = act()
    except BrokerError as error:
        assert error.kind in Kind
        assert "\n" not in error.message
        return [
            error.message,
            error.failure.hint,
            repr(error),
            str(error.args),
            # With every cause; where it is raised the text of an answer is at hand.
            "".join(traceback.format_exception(error)),
        ]
    if isinstance(made, Grant):
        # Whose it is, is said on purpose.
        made = type(made)(secret=made.secret, ends_at=made.ends_at)
    elif hasattr(made, "upstream_id"):
        made = msgspec.structs.replace(made, upstream_id=None)
    return [repr(made)]


REDIRECTS = [
    {"code": CANARIES[0]},
    {"error": "canary_4dk7", "error_description": "canary 4dk7!"},
    {"error": "access_denied", "error_description": CANARIES[0]},
]
CASES = [
    pytest.param(name, words, id=f"{name}-{number}")
    for name, samples in SAMPLES.items()
    for number, words in enumerate(samples)
]


def test_every_provider_has_its_samples() -> None:
    """And every setting that refers to a secret is in one of them."""
    used = {
        (name, field)
        for name, samples in SAMPLES.items()
        for words in samples
        for field in references_in(msgspec.convert(words, SETTINGS[name]))
    }
    known = {
        (name, field.name)
        for name, shape in SETTINGS.items()
        for field in msgspec.structs.fields(shape)
        if "Reference" in str(field.type)
    }

    assert SAMPLES.keys() == SETTINGS.keys()
    assert known - used == {("vault", "aws_credentials")}


@pytest.mark.examples
@pytest.mark.parametrize(("provider", "words"), CASES)
@given(data=st.data())
@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_h3_no_provider_lets_a_secret_out(provider: str, words: dict[str, Any], data: Any) -> None:
    """In a mint, a login or a revocation, however it ends."""
    shape = msgspec.convert(words, SETTINGS[provider])
    secrets = {
        each: Secret(data.draw(texts([*SECRETS, *[GOOD_SECRETS.get(each, C)] * 12], altered=False)))
        for each in references_in(shape)
    }
    grant = data.draw(st.sampled_from([None, *GRANTS[1:], *GRANTS[1:2] * 3]))
    if grant is not None:
        grant = data.draw(texts([grant]))
    answer = st.none() | responses(ANSWERS[provider])
    io = LeakyIo(
        provider=provider,
        answers=data.draw(st.lists(answer, min_size=1, max_size=5)),
        comes_back=data.draw(st.sampled_from(REDIRECTS)),
    )
    token_request = ProviderRequest(
        credential="gateway",
        settings=shape,
        grant=None if grant is None else Secret(grant),
        secrets=secrets,
    )
    object_ = provider_class(provider)()
    acts: list[Callable[[], object]] = [lambda: object_.mint(token_request, io)]
    acts += [
        lambda method=method: object_.login(token_request, io, method)  # type: ignore[misc, attr-defined]
        for method in meaning_of(shape).grant.logins
    ]
    if hasattr(object_, "revoke"):
        acts.append(lambda: object_.revoke(token_request, io))
    hunt = Hunt()
    logging.getLogger().addHandler(hunt)
    level = logging.getLogger("credward").level
    logging.getLogger("credward").setLevel(logging.DEBUG)
    try:
        told = [text for act in acts for text in outcome(act)]
    finally:
        logging.getLogger().removeHandler(hunt)
        logging.getLogger("credward").setLevel(level)

    seen = [
        *told,
        *hunt.lines,
        *io.warnings,
        *io.shown,
        repr(io.requests),
        repr(io.grants),
        repr(token_request),
    ]
    assert [text for text in seen if FOUND.search(text)] == []
