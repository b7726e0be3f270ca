"""Has the daemon send one request of one token, and says what the answer means and what to type.

For `doctor --live`. The daemon passes on a status and a few words, never a text of the service; the
tables here turn those into a sentence for each service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

import msgspec

from credward import wire
from credward.client import Client
from credward.errors import BrokerError, Kind

__all__ = ["LiveResult", "Verdict", "live", "models_in", "result_of", "verdict_of"]

Verdict = Literal[
    "accepted", "limited", "invalid", "refused", "forbidden", "missing", "not-found", "no-path",
    "billing", "redirected", "broken", "unanswered",
]  # fmt: skip

# Where Claude Code has its two models from: the one that does the work, and the small one, of which
# the second variable is the former name.
_MODELS = (
    ("ANTHROPIC_MODEL",),
    ("ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_SMALL_FAST_MODEL"),
)
# Its own words for a model, which no service knows, and its mark for a long context.
_ALIASES = frozenset({"default", "best", "sonnet", "opus", "haiku", "opusplan", "fable"})
_LONG_CONTEXT = "[1m]"
_EXAMPLE = "claude-haiku-5-5"
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,255}")

# What a word means whatever the status: AWS says 403 of an expired token, Azure 401 of a missing
# role, and a gateway 400 of anything.
_WORDS: Mapping[str, Verdict] = {
    **dict.fromkeys(
        (
            *("authentication_error", "ExpiredTokenException", "UnrecognizedClientException"),
            *("InvalidSignatureException", "IncompleteSignatureException", "UNAUTHENTICATED"),
            *("MissingAuthenticationTokenException", "Unauthorized", "AuthenticationFailed"),
            *("auth_error", "expired_key", "token_not_found_in_db"),
        ),
        "refused",
    ),
    **dict.fromkeys(
        (
            *("permission_error", "AccessDeniedException", "NotAuthorized", "OptInRequired"),
            *("PERMISSION_DENIED", "PermissionDenied", "key_model_access_denied"),
            *("team_model_access_denied", "user_model_access_denied"),
        ),
        "forbidden",
    ),
    **dict.fromkeys(
        (
            *("ResourceNotFoundException", "NOT_FOUND", "DeploymentNotFound"),
            *("ResourceNotFound", "unknown_model"),
        ),
        "missing",
    ),
    # The Claude API and those like it say this of a model and of a path, whatever the token.
    "not_found_error": "not-found",
    **dict.fromkeys(
        (
            *("rate_limit_error", "ThrottlingException", "ServiceQuotaExceededException"),
            *("RESOURCE_EXHAUSTED", "RateLimitReached", "TooManyRequests"),
        ),
        "limited",
    ),
    **dict.fromkeys(("billing_error", "budget_exceeded"), "billing"),
}
_STATUSES: Mapping[int, Verdict] = {
    401: "refused",
    402: "billing",
    403: "forbidden",
    404: "no-path",
    405: "no-path",
    429: "limited",
}
_MARKS: Mapping[Verdict, tuple[Literal["ok", "warn", "fail"], Kind | None]] = {
    "accepted": ("ok", None),
    "limited": ("warn", None),
    "invalid": ("warn", None),
    "refused": ("fail", Kind.PROVIDER_REFUSED),
    "forbidden": ("fail", Kind.PROVIDER_REFUSED),
    "missing": ("fail", Kind.FIX_CONFIGURATION),
    "not-found": ("fail", Kind.FIX_CONFIGURATION),
    "no-path": ("fail", Kind.FIX_CONFIGURATION),
    "billing": ("fail", Kind.PROVIDER_REFUSED),
    "redirected": ("fail", Kind.FIX_CONFIGURATION),
    "broken": ("fail", Kind.PROVIDER_UNREACHABLE),
    "unanswered": ("fail", Kind.PROVIDER_UNREACHABLE),
}
# What happened; {asked} is the model and where it was asked for.
_CAUSES: Mapping[Verdict, str] = {
    "accepted": "takes the token and answers",
    "limited": "takes the token, but there were too many requests",
    "invalid": "takes the token, but not this request",
    "refused": "refuses the token",
    "forbidden": "knows the token, but does not allow it to use {asked}",
    "missing": "takes the token, but has no {asked}",
    "not-found": "has no {asked}, or nothing at this path",
    "no-path": "has nothing at this path",
    "billing": "takes the token, but there is no credit or budget left",
    "redirected": "redirects, which is not followed because the token would go along",
    "broken": "has trouble of its own",
}
_ANOTHER = "or name another one: run credward doctor {name} --live --model MODEL"
# What to type or to ask for, by service; "" is for every other one.
_REMEDIES: Mapping[Verdict, Mapping[str, str]] = {
    "accepted": {"": ""},
    "limited": {"": "ask again {later}, or ask for a higher quota"},
    "invalid": {"": f"check the model {{model}}, {_ANOTHER}"},
    "refused": {
        "claude": "run credward get --fresh {name}; if the next one is refused too, check the key "
        "or the federation rule in the Console",
        "claude-on-aws": "run credward get --fresh {name}, and check region and workspace",
        "bedrock": "run credward get --fresh {name}, and check that the keys are for {region}",
        "vertex": "run credward get --fresh {name}, and check that its scopes have cloud-platform",
        "foundry": "check its audience, which is https://ai.azure.com or for older resources "
        "https://cognitiveservices.azure.com: set scope, then run credward get --fresh {name}",
        "": "check which audience and scope the gateway expects, then run "
        "credward get --fresh {name}{or_login}",
    },
    "forbidden": {
        "claude": "check the scope and the workspace of the key or rule in the Console",
        "claude-on-aws": "check the workspace and the policy of the role",
        "bedrock": "allow bedrock:InvokeModel in the policy of the role, and the model for the "
        "account",
        "vertex": "grant roles/aiplatform.user in the project to the account of this credential",
        "foundry": "assign the role Azure AI User or Cognitive Services User on the resource, "
        "which takes some minutes to count",
        "": "ask the administrator of the gateway to allow this model for you",
    },
    "missing": {
        "bedrock": f"enable it in the Bedrock console for this region, {_ANOTHER}",
        "vertex": f"enable it in the Model Garden of the project, {_ANOTHER}",
        "foundry": f"deploy it in the resource, {_ANOTHER}",
        "": f"check the model, {_ANOTHER}",
    },
    "not-found": {
        "foundry": f"check the resource, and that {{model}} is deployed there, {_ANOTHER}",
        "": f"check base_url, to which /v1/messages is added, and the model, {_ANOTHER}",
    },
    "no-path": {
        "vertex": "check region and project of this credential, and that the model is enabled",
        "foundry": "check the resource, and that it has a deployment called {model}",
        "": "check base_url, to which /v1/messages is added",
    },
    "billing": {"": "add credit, or ask who manages the budget"},
    "redirected": {"": "set base_url to the address that it redirects to, if you trust that"},
    "broken": {"": "ask again {later}; nothing to correct on this machine"},
}
# What a connection without an answer says, and what to type.
_TROUBLES: Mapping[str, tuple[str, str]] = {
    "dns": ("has no address here (DNS)", "check base_url, network and VPN"),
    "refused": ("refuses connections", "check base_url and its port, or start the server"),
    "unreachable": ("cannot be reached", "check network and VPN, or set network.proxy"),
    "tls-untrusted": (
        "has a TLS certificate of an authority that is not trusted here",
        (
            "set network.ca to the PEM file of that authority, then run credward daemon reload "
            "(for Claude Code set NODE_EXTRA_CA_CERTS)"
        ),
    ),
    "tls-expired": (
        "has a TLS certificate that is not valid at this time",
        "check the clock of this machine, or have the certificate renewed",
    ),
    "tls-name": (
        "has a TLS certificate for another host",
        "correct the host in base_url, or have the certificate replaced",
    ),
    "tls": ("does not speak TLS as expected", "check https and port in base_url, and the proxy"),
    "timeout": ("did not answer in time", "ask again, and check network and proxy"),
    "closed": ("closed the connection without an answer", "check network and proxy"),
}


class LiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """What doctor prints: *text* is one line with what to type; *kind* is set if it is broken.

    *answered*: a service was asked, and said something.
    """

    mark: Literal["ok", "warn", "fail"]
    text: str
    kind: Kind | None = None
    answered: bool = False


def live(
    client: Client,
    name: str,
    *,
    model: str | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    can_login: bool = False,
    remedy: str = "",
) -> LiveResult:
    """Ask the service behind the credential *name*; costs one token, and takes up to a minute.

    *model* None: a small one that the service is known to have. *base_url*: which of the allowed
    ones the tool would use. *workspace*: that of the Claude Platform on AWS. *can_login*: people
    can log in for this credential. *remedy*: what to do if its key itself is refused, "" if its
    tokens are minted. Never raises `BrokerError`: a failure is a result.
    """
    if model is not None and not _MODEL.fullmatch(model):
        text = f"the model is not valid: name one such as {_EXAMPLE} with --model"
        return LiveResult(mark="fail", text=text, kind=Kind.BAD_REQUEST)
    probe = wire.Probe(model=model, base_url=base_url, workspace=workspace)
    try:
        return result_of(client.probe(name, probe), can_login=can_login, remedy=remedy)
    except BrokerError as error:
        return LiveResult(mark="fail", text=error.message, kind=error.kind)


def models_in(variables: Mapping[str, str]) -> list[str]:
    """Return the models that Claude Code would ask for under *variables*, that for the work first.

    None if it would choose; words that only Claude Code knows, such as `opus`, count as its choice.
    """
    found = []
    for names in _MODELS:
        said = (variables.get(name, "").removesuffix(_LONG_CONTEXT) for name in names)
        usable = (each for each in said if each not in _ALIASES and _MODEL.fullmatch(each))
        found += list(usable)[:1]
    return list(dict.fromkeys(found))


def verdict_of(result: wire.ProbeResult) -> Verdict:
    """Return what the answer means."""
    if not result.status:
        return "unanswered"
    if result.status < HTTPStatus.MULTIPLE_CHOICES:
        return "accepted"
    if result.status < HTTPStatus.BAD_REQUEST:
        return "redirected"
    if result.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "broken"
    return _WORDS.get(result.error) or _STATUSES.get(result.status, "invalid")


def result_of(result: wire.ProbeResult, *, can_login: bool = False, remedy: str = "") -> LiveResult:
    """Return the line for a person."""
    verdict = verdict_of(result)
    mark, kind = _MARKS[verdict]
    if verdict == "unanswered":
        cause, remedy = _TROUBLES.get(result.trouble or "", _TROUBLES["closed"])
        via = " (through the proxy)" if result.proxied else ""
        if result.trouble == "timeout":
            kind = Kind.TIMED_OUT
        elif (result.trouble or "").startswith("tls"):
            kind = Kind.FIX_CONFIGURATION
        return LiveResult(mark=mark, kind=kind, text=f"{result.address}{via} {cause}: {remedy}")
    words = {
        "name": result.credential,
        "or_login": f", or credward login {result.credential}" if can_login else "",
        "model": result.model,
        "asked": result.model + (f" in {result.region}" if result.region else ""),
        "region": result.region or "this region",
        "later": _later(result.retry_after),
    }
    cause = _CAUSES[verdict].format(**words)
    # Of a key that comes from elsewhere another mint would give the same one.
    if verdict != "refused" or not remedy:
        remedies = _REMEDIES[verdict]
        remedy = remedies.get(result.service, remedies[""]).format(**words)
    text = f"{result.address} {cause} ({_facts(result)})"
    text += f": {remedy}" if remedy else ""
    return LiveResult(mark=mark, kind=kind, text=text, answered=True)


def _later(seconds: float | None) -> str:
    return "in a minute" if seconds is None else f"in {seconds:.0f} s"


def _facts(result: wire.ProbeResult) -> str:
    """Return what the operator of the service asks for."""
    facts = [f"model {result.model}", f"HTTP {result.status}"]
    if result.error:
        facts.append(result.error)
    if result.request_id:
        facts.append(f"request {result.request_id}")
    return ", ".join(facts)
