"""What could be added on this machine, in the order of the list.

Finds, and reads no more than it needs; `listing` shows choices, `wizard` asks, `take_over` moves a
secret that was found.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from credward.cli.add.aws_files import AwsFiles, read_aws_files
from credward.cli.add.choice import (
    Choice,
    Leftover,
    Question,
    base_url_question,
    check_scope,
    issuer_questions,
)
from credward.cli.add.tools import ToolScript, claude_base_url, find_scripts
from credward.cli.shell_files import ShellKey, find_keys
from credward.config import environment
from credward.tokens import Secret

__all__ = ["find_choices", "general_choices"]

_ANTHROPIC, _OPENAI = "https://api.anthropic.com", "https://api.openai.com"


def find_choices() -> Iterator[Choice]:
    """Yield what was found, in the order of the list."""
    environ = environment()
    home = Path(environ.get("HOME", "/"))
    base_url = claude_base_url(environ)
    for script in find_scripts(environ):
        yield _of_script(script)
    for key in find_keys(home):
        yield _of_shell_key(key, base_url)
    if shutil.which("az"):
        yield Choice(
            what="the Azure CLI, for a gateway of your tenant",
            name="gateway-az",
            provider="entra",
            words=(("source", "az"),),
            questions=(
                Question(
                    key="scope",
                    label="scope of the gateway's application",
                    word="api://APPLICATION-ID/.default",
                    check=check_scope,
                ),
                base_url_question(base_url or "", asked=False),
            ),
        )
    yield from _of_aws(read_aws_files(home / ".aws"))
    if (home / ".config/gcloud/application_default_credentials.json").exists():
        what = "Application Default Credentials of Google Cloud"
        yield Choice(what=what, name="google", provider="gcp")
    if address := environ.get("VAULT_ADDR"):
        yield Choice(
            what="VAULT_ADDR",
            name="kv",
            provider="vault",
            words=(("address", address),),
            questions=(
                Question(key="auth_method", label="how to log in", word="oidc", default="oidc"),
                Question(key="path", label="path of the secret", word="PATH"),
                Question(key="field", label="field of the secret", word="FIELD"),
            ),
        )
    if environ.get("ANTHROPIC_BASE_URL") and base_url is not None:
        yield Choice(
            what=f"a login (OIDC) for the gateway {base_url}",
            name="gateway",
            provider="oauth",
            questions=(*issuer_questions(base_url), base_url_question(base_url, asked=True)),
        )


def general_choices() -> Iterator[Choice]:
    """Yield what every machine can have."""
    base_url = claude_base_url(environment())
    address = base_url_question(base_url or "", asked=False)
    yield Choice(
        what="an OIDC issuer (you type it)",
        name="gateway",
        provider="oauth",
        questions=(
            *issuer_questions(base_url),
            Question(key="scope", label="scope", word="SCOPE", default="openid offline_access"),
            address,
        ),
    )
    yield Choice(
        what="a program that prints a token",
        name="gateway",
        provider="command",
        program=None,
        questions=(address,),
    )
    yield Choice(
        what="a key that you type",
        name="gateway",
        provider="static",
        questions=(address,),
        moves=Leftover(),
    )
    yield Choice(
        what="a demo: tokens that are signed on this machine",
        name="demo",
        provider="local",
        words=(("lifetime", "600"),),
    )


# --- what moves into credward --------------------------------------------------------------------


def _of_script(script: ToolScript) -> Choice:
    return Choice(
        what=f"the program that {script.tool} runs for a token ({script.path})",
        name="gateway",
        provider="command",
        program=script.program,
        words=(("lifetime", f"{script.lifetime:g}"),),
        questions=(base_url_question(script.base_url or "", asked=script.base_url is not None),),
        script=script,
    )


def _of_shell_key(key: ShellKey, base_url: str | None) -> Choice:
    what = f"{key.variable} in {key.place}"
    moves = Leftover(secret=key.value, where=key.place, shell=key)
    if key.variable == "ANTHROPIC_API_KEY" and base_url in {None, _ANTHROPIC}:
        return Choice(
            what=what,
            name="claude",
            provider="anthropic",
            moves=msgspec.structs.replace(moves, field="api_key"),
        )
    words = {
        "ANTHROPIC_API_KEY": (("kind", "api-key"),),
        "OPENAI_API_KEY": (("env_name", key.variable),),
    }
    of_openai = key.variable == "OPENAI_API_KEY"
    name, found = ("openai", _OPENAI) if of_openai else ("gateway", base_url or "")
    return Choice(
        what=what,
        name=name,
        provider="static",
        words=words.get(key.variable, ()),
        questions=(base_url_question(found, asked=bool(found)),),
        moves=moves,
    )


def _of_aws(files: AwsFiles) -> Iterator[Choice]:
    if files.profiles:
        known = ", ".join(files.profiles)

        def check_profile(name: str) -> None:
            if name not in files.profiles:
                raise ValueError(f"there is no profile {name}: one of {known}")

        first = "default" if "default" in files.profiles else files.profiles[0]
        yield Choice(
            what="AWS profiles",
            name="aws",
            provider="aws",
            questions=(
                Question(
                    key="profile",
                    label=f"profile ({known})",
                    word=first,
                    default=first,
                    check=check_profile,
                ),
            ),
        )
    for session in files.sessions:
        yield Choice(
            what=f"AWS Identity Center (sso-session {session})",
            name="aws-sso",
            provider="aws",
            words=(("sso_session", session),),
            questions=(
                Question(key="sso_account_id", label="account (12 digits)", word="ACCOUNT"),
                Question(key="sso_role_name", label="role", word="ROLE"),
            ),
        )
    for key in files.keys:
        # As `credential_process` prints it.
        text = {"Version": 1, "AccessKeyId": key.access_key_id}
        text["SecretAccessKey"] = key.secret.reveal()
        yield Choice(
            what=f"keys of the profile {key.profile} written out in {key.path}",
            name=f"aws-{key.profile}",
            provider="aws",
            moves=Leftover(
                secret=Secret(json.dumps(text)),
                field="source",
                where=f"{key.path}, profile {key.profile}",
            ),
        )
