"""`--env K=V` of `setup claude-code`: what a guide tells people to set, but no secret.

Remembered: a later run without `--env` keeps them, `--env K=` removes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from credward.cli.setup.claude_code import BASE_URL, TTL
from credward.cli.setup.json_text import get_member
from credward.cli.setup.record import Record
from credward.errors import BrokerError, Kind

__all__ = ["chosen_variables"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Names of numbers such as MAX_THINKING_TOKENS are none of these.
_SECRET_NAME = re.compile(r"(^|_)(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)")
_SECRET_VALUE = re.compile(r"sk-ant-|://[^/@]*:[^/@]*@|authorization|api-key", re.IGNORECASE)
# What set-up writes by itself, with what to do instead.
_BY_CREDENTIAL = "it follows from the credential that is named"
_OURS = {
    TTL[1]: "use --ttl SECONDS",
    BASE_URL[1]: "write base_url into the credential: run credward config edit",
    "AWS_REGION": "use --region REGION",
    "CLOUD_ML_REGION": "use --region REGION",
    "ANTHROPIC_VERTEX_PROJECT_ID": "use --project PROJECT",
    **dict.fromkeys(
        (
            "ANTHROPIC_BEDROCK_BASE_URL",
            "ANTHROPIC_VERTEX_BASE_URL",
            "ANTHROPIC_FOUNDRY_BASE_URL",
        ),
        "use --base-url URL",
    ),
    **dict.fromkeys(
        (
            *("AWS_PROFILE", "AWS_CONFIG_FILE", "ANTHROPIC_FOUNDRY_RESOURCE"),
            *("ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR"),
            *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_SKIP_BEDROCK_AUTH"),
            *("CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_SKIP_VERTEX_AUTH"),
            *("CLAUDE_CODE_USE_FOUNDRY", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH"),
            *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            *("GCE_METADATA_HOST", "GCE_METADATA_IP", "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
        ),
        _BY_CREDENTIAL,
    ),
}


def chosen_variables(words: Iterable[str], text: str, earlier: Record | None) -> dict[str, str]:
    """Return the variables that *words* (`K=V`) choose, and those that were chosen *earlier*.

    *text* is the settings file now: what somebody else changed since then is not ours any more.
    """
    kept = _kept(text, earlier)
    chosen = dict(_read(word) for word in words)
    for name, value in chosen.items():
        if not value and name not in kept:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f"{name} was not set by credward: remove it from the file yourself",
            )
    return {name: value for name, value in {**kept, **chosen}.items() if value}


def _kept(text: str, earlier: Record | None) -> dict[str, str]:
    changes = earlier.changes if earlier is not None and text.strip() else []
    return {
        each.path[1]: each.after
        for each in changes
        if each.path[0] == "env"
        and each.path[1] not in _OURS
        and get_member(text, tuple(each.path)) == each.after
    }


def _read(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or _NAME.fullmatch(name) is None:
        # Not quoted: it may be a secret without its name.
        raise BrokerError(Kind.BAD_REQUEST, "--env needs NAME=VALUE: such as ANTHROPIC_MODEL=…")
    if (instead := _OURS.get(name)) is not None:
        raise BrokerError(Kind.BAD_REQUEST, f"{name} is set by credward: {instead}")
    if _SECRET_NAME.search(name.upper()) or _SECRET_VALUE.search(value):
        raise BrokerError(
            Kind.BAD_REQUEST,
            f"{name} would leave a secret in a file: run credward add NAME --provider static, and "
            "set that up",
        )
    return name, value
