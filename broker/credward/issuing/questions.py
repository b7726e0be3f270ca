"""What a service is asked to see whether it takes a token: one table, as Claude Code would ask.

Pure. The smallest request that a model answers: one word, one token back. `probing` obtains the
token and has a worker send it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, urlsplit

import msgspec

from credward import wire
from credward.config import CredentialConfig
from credward.errors import BrokerError, Kind
from credward.policy.base_url import written
from credward.settings.checks import messages_base, origin_of
from credward.settings.services import Service
from credward.upstream import Question, Signing

__all__ = [
    "Form",
    "base_url_of",
    "can_be_asked",
    "form_of",
    "model_of",
    "question_for",
    "shown_url",
]

_HAIKU = "claude-haiku-5-5"
_MESSAGES = "/v1/messages"


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """How one service is asked for a message.

    *name* is the service in an answer of the daemon. *path* may hold `{model}`, `{project}` and
    `{region}`; a base URL may end in *prefix*, its beginning. *model* is the default one. *version*
    is a member of the body; without it the version is a header, and the model is in the body.
    """

    name: str
    path: str = _MESSAGES
    prefix: str = ""
    present: Literal["bearer", "api-key", "both", "sigv4"]
    model: str = _HAIKU
    version: str = ""


# What Claude Code sends with a helper, an API key, or with the switch of a cloud (facts of version
# 2.1.329); Anthropic, "Claude on Amazon Bedrock", "… Vertex AI", "… Microsoft Foundry". A global
# inference profile is in every commercial region of Bedrock.
_BEDROCK = Form(
    name="bedrock",
    path="/model/{model}/invoke",
    present="bearer",
    model=f"global.anthropic.{_HAIKU}",
    version="bedrock-2023-05-31",
)
_FORMS: Mapping[Service | None, Form] = {
    None: Form(name="gateway", present="both"),
    Service.CLAUDE: Form(name="claude", present="both"),
    Service.CLAUDE_LOGIN: Form(name="claude", present="bearer"),
    Service.BEDROCK: _BEDROCK,
    Service.AWS: msgspec.structs.replace(_BEDROCK, present="sigv4"),
    Service.CLAUDE_ON_AWS: Form(name="claude-on-aws", present="api-key"),
    Service.GOOGLE: Form(
        name="vertex",
        path="/v1/projects/{project}/locations/{region}/publishers/anthropic/models/"
        "{model}:rawPredict",
        prefix="/v1",
        present="bearer",
        version="vertex-2023-10-16",
    ),
    Service.FOUNDRY: Form(
        name="foundry", path="/anthropic/v1/messages", prefix="/anthropic", present="bearer"
    ),
}
_ANTHROPIC_VERSION = {"anthropic-version": "2023-06-01"}
_COMMON = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "credward",
}


def form_of(credential: CredentialConfig) -> Form:
    """Return how its service is asked; raise `bad-request` for one that has no messages."""
    service = credential.meaning.service
    if (found := _FORMS.get(service)) is not None:
        return found
    raise BrokerError(
        Kind.BAD_REQUEST,
        f'"{credential.name}" is for {service}, which has no models to ask: '
        "name a credential for a model",
    )


def base_url_of(credential: CredentialConfig, wanted: wire.Probe) -> str:
    """Return where to ask: only a host that the configuration names, or that its service implies.

    Whether it is one of those that the credential is for is checked as for every caller.
    """
    if credential.base_urls:
        return wanted.base_url or credential.base_urls[0]
    own = _own_host(credential)
    if own is not None and wanted.base_url in {None, own}:
        return own
    meaning = credential.meaning
    if own is None and meaning.service in {Service.AWS, Service.GOOGLE}:
        missing = 'region = "…"'
    else:
        missing = f'base_url = "{_shown(wanted.base_url)}"'
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential.name}" does not say which server takes its token, so none is asked: '
        f"add {missing} at {credential.origin}",
    )


def can_be_asked(credential: CredentialConfig) -> bool:
    """Return whether it says which server takes its token, and that has models to ask."""
    return credential.meaning.service in _FORMS and bool(
        credential.base_urls or _own_host(credential)
    )


def model_of(credential: CredentialConfig, wanted: wire.Probe) -> str:
    """Return the model to ask."""
    return wanted.model or form_of(credential).model


def question_for(credential: CredentialConfig, wanted: wire.Probe) -> Question:
    """Return the one request, without the token; raise `BrokerError` if something is missing."""
    form, meaning = form_of(credential), credential.meaning
    model = model_of(credential, wanted)
    places = {"region": meaning.region, "project": meaning.project}
    for key, value in places.items():
        if f"{{{key}}}" in form.path or (key == "region" and form.present == "sigv4"):
            _need(credential, key, value)
    # As in Anthropic's SDKs: a colon is encoded, the @ of a Vertex model is not.
    path = form.path.format(model=quote(model, safe="@"), **places)
    body: dict[str, object] = {
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "hi"}],
        **({"anthropic_version": form.version} if form.version else {"model": model}),
    }
    return Question(
        url=_base(form, credential, wanted).removesuffix(form.prefix) + path,
        headers={
            **_COMMON,
            **dict(meaning.headers),
            **_version(form),
            **_workspace(credential, wanted),
        },
        body=json.dumps(body),
        present=(
            Signing(service="bedrock", region=meaning.region or "")
            if form.present == "sigv4"
            else form.present
        ),
    )


def shown_url(url: str) -> str:
    """Return *url* to show to people, without a query, which may hold a key."""
    origin = origin_of(url)
    return "" if origin is None else written(origin) + urlsplit(url).path


def _base(form: Form, credential: CredentialConfig, wanted: wire.Probe) -> str:
    """Return what the path is added to; an address that the client has is taken as it is."""
    base_url = base_url_of(credential, wanted)
    if form.path == _MESSAGES and wanted.base_url is None:
        return messages_base(base_url)
    return base_url.rstrip("/")


def _own_host(credential: CredentialConfig) -> str | None:
    """Return where AWS keys work by their region: they only sign, so nothing secret leaves."""
    meaning = credential.meaning
    if meaning.service is not Service.AWS or meaning.region is None:
        return None
    domain = "amazonaws.com.cn" if meaning.region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{meaning.region}.{domain}"


def _version(form: Form) -> Mapping[str, str]:
    return {} if form.version else _ANTHROPIC_VERSION


def _workspace(credential: CredentialConfig, wanted: wire.Probe) -> Mapping[str, str]:
    if credential.meaning.service is not Service.CLAUDE_ON_AWS:
        return {}
    if wanted.workspace is None:
        if credential.meaning.headers:
            return {}
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" is for {Service.CLAUDE_ON_AWS}, which wants a workspace: '
            f"set ANTHROPIC_AWS_WORKSPACE_ID, or workspace_id at {credential.origin}",
        )
    return {"anthropic-workspace-id": wanted.workspace}


def _need(credential: CredentialConfig, key: str, value: str | None) -> None:
    if value is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential.name}" does not say which {key} to ask in: '
            f'add {key} = "…" at {credential.origin}',
        )


def _shown(base_url: str | None) -> str:
    origin = origin_of(base_url or "")
    return "https://…" if origin is None else written(origin)
