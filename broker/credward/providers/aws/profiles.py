"""Keys of a profile in the files of the AWS command line, from the source that it names.

Files are parsed by botocore; roles are assumed by `roles`, logins of the command line are used
and never made (our own are `sso`).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import msgspec
from botocore.exceptions import SSOTokenLoadError
from botocore.tokens import SSOTokenProvider
from botocore.utils import JSONFileCache, SSOTokenLoader

from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws, attempt
from credward.providers.aws.keys import Keys, keys_from_text
from credward.providers.aws.metadata import instance_keys
from credward.providers.aws.roles import assume, assume_profile_web_identity
from credward.providers.aws.sso_portal import role_keys
from credward.providers.exit_codes import refuse_failure

__all__ = ["ProfileKeys", "resolve_profile", "sso_session_of"]

# Where tools that write sessions into the files note their end.
_ENDS = ("x_security_token_expires", "aws_expiration", "expiration")
# Programs of ours, and those that only start the program among their arguments.
_OURS = frozenset({"credward", "credward-helper", "credward.helper"})
_STARTERS = re.compile(r"(env|sh|bash|nice|timeout|python[\d.]*)")


class ProfileKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a profile. *login* is the command that renews them, if there is one."""

    keys: Keys
    region: str | None
    login: str | None = None


def resolve_profile(aws: Aws, name: str) -> ProfileKeys:
    """Return the keys of the profile called *name*, or raise `BrokerError`."""
    session = aws.session(name)
    config = attempt(aws.credential, lambda: session.full_config, service="the AWS files")
    found = _Resolver(aws, config).resolve(name, ())
    region = config.get("profiles", {}).get(name, {}).get("region")
    return ProfileKeys(
        keys=found.keys,
        region=region or aws.io.environment().get("AWS_REGION"),
        login=found.login,
    )


def sso_session_of(aws: Aws, name: str) -> tuple[str, str]:
    """Return start URL and region of `[sso-session NAME]`."""
    config = attempt(aws.credential, lambda: aws.session().full_config, service="the AWS files")
    found = config.get("sso_sessions", {}).get(name, {})
    try:
        return str(found["sso_start_url"]), str(found["sso_region"])
    except KeyError:
        raise _misconfigured(
            aws,
            f"[sso-session {name}] with sso_start_url and sso_region is not in ~/.aws/config: "
            "run aws configure sso-session",
        ) from None


class _Resolver:
    """Follows the profiles of one reading of the files."""

    def __init__(self, aws: Aws, config: Mapping[str, Any]) -> None:
        self._aws = aws
        self._profiles: Mapping[str, Any] = config.get("profiles", {})
        self._sso_sessions: Mapping[str, Any] = config.get("sso_sessions", {})

    def resolve(self, name: str, visited: tuple[str, ...]) -> ProfileKeys:
        """Return the keys of one profile; *visited* led here by `source_profile`."""
        profile = self._profiles.get(name)
        if not isinstance(profile, dict):
            raise self._wrong(name, "is not in the files of the AWS command line: correct its name")
        itself = visited[-1:] == (name,)
        if name in visited and not itself:
            raise self._wrong(name, "leads back to itself by source_profile: correct it")
        if "role_arn" in profile and not itself:
            return self._by_role(name, profile, visited)
        if "sso_account_id" in profile or "sso_role_name" in profile:
            return self._by_sso(name, profile)
        if "aws_access_key_id" in profile:
            return self._written_out(name, profile)
        if "login_session" in profile:
            raise self._wrong(
                name,
                "logs in by aws login: use a profile with credential_process = "
                f"aws configure export-credentials --format process --profile {name}",
            )
        if "credential_process" in profile:
            return self._by_program(name, profile)
        raise self._wrong(name, "names no keys: run aws configure")

    def _by_role(
        self, name: str, profile: Mapping[str, Any], visited: tuple[str, ...]
    ) -> ProfileKeys:
        parameters = {
            "RoleArn": profile["role_arn"],
            "RoleSessionName": profile.get("role_session_name") or "credward",
        }
        if "duration_seconds" in profile:
            try:
                parameters["DurationSeconds"] = int(profile["duration_seconds"])
            except ValueError:
                raise self._wrong(name, "has an invalid duration_seconds: correct it") from None
        if "web_identity_token_file" in profile:
            keys = assume_profile_web_identity(
                self._aws, profile["web_identity_token_file"], profile.get("region"), parameters
            )
            return ProfileKeys(keys=keys, region=None)
        if "mfa_serial" in profile:
            raise self._wrong(
                name, "asks for an MFA code: set source_profile, role_arn and mfa_serial here"
            )
        source = self._source_of(name, profile, visited)
        if "external_id" in profile:
            parameters["ExternalId"] = profile["external_id"]
        keys = assume(
            self._aws, source.keys, region=profile.get("region"), login=source.login, **parameters
        )
        return ProfileKeys(keys=keys, region=None, login=source.login)

    def _source_of(
        self, name: str, profile: Mapping[str, Any], visited: tuple[str, ...]
    ) -> ProfileKeys:
        match profile:
            case {"source_profile": source}:
                return self.resolve(str(source), (*visited, name))
            case {"credential_source": "Ec2InstanceMetadata"}:
                return ProfileKeys(keys=instance_keys(self._aws), region=None)
            case {"credential_source": _}:
                raise self._wrong(
                    name,
                    "takes its keys from where credward does not look: use source_profile",
                )
            case _:
                raise self._wrong(name, "has a role_arn without source_profile: add it")

    def _written_out(self, name: str, profile: Mapping[str, Any]) -> ProfileKeys:
        text = json.dumps(
            {
                "AccessKeyId": profile["aws_access_key_id"],
                "SecretAccessKey": profile.get("aws_secret_access_key"),
                "SessionToken": profile.get("aws_session_token"),
                "Expiration": next((profile[key] for key in _ENDS if key in profile), None),
            }
        )
        keys = keys_from_text(self._aws.credential, text, f'profile "{name}"', self._aws.io.now())
        return ProfileKeys(keys=keys, region=None)

    def _by_program(self, name: str, profile: Mapping[str, Any]) -> ProfileKeys:
        try:
            command = shlex.split(str(profile["credential_process"]))
        except ValueError:
            command = []
        if not command:
            raise self._wrong(name, "has an invalid credential_process: correct it")
        if _is_ours(command):
            # A worker would wait for the very flight that it is in.
            raise self._wrong(
                name, "asks credward itself by credential_process: name the profile of the source"
            )
        result = self._aws.io.run_command(command, timeout=self._aws.remaining())
        refuse_failure(self._aws.credential, command[0], result)
        keys = keys_from_text(
            self._aws.credential,
            result.output.decode("utf-8", "replace"),
            f'program "{command[0]}"',
            self._aws.io.now(),
        )
        return ProfileKeys(keys=keys, region=None)

    def _by_sso(self, name: str, profile: Mapping[str, Any]) -> ProfileKeys:
        login = f"aws sso login --profile {name}"
        session_name = profile.get("sso_session")
        words = {**profile, **self._sso_sessions.get(session_name or "", {})}
        required = ("sso_start_url", "sso_region", "sso_account_id", "sso_role_name")
        if missing := [word for word in required if word not in words]:
            raise self._wrong(name, f"lacks {missing[0]}: run aws configure sso")
        access_token = self._access_token(name, session_name, words, login)
        keys = role_keys(
            self._aws,
            access_token,
            region=words["sso_region"],
            account_id=words["sso_account_id"],
            role_name=words["sso_role_name"],
            login=login,
        )
        return ProfileKeys(keys=keys, region=None, login=login)

    def _access_token(
        self, name: str, session_name: str | None, words: Mapping[str, Any], login: str
    ) -> str:
        """Return the token of the command line's own login, which botocore refreshes with it."""
        home = self._aws.io.environment().get("HOME", "/nonexistent")
        cache = JSONFileCache(f"{home}/.aws/sso/cache", dumps_func=_dump)
        now = datetime.fromtimestamp(self._aws.io.now(), UTC)

        def load() -> str:
            if session_name is not None:
                provider = SSOTokenProvider(
                    self._aws.session(name),
                    cache=cache,
                    time_fetcher=lambda: now,
                    profile_name=name,
                )
                return str(provider.load_token().get_frozen_token().token)
            found = SSOTokenLoader(cache=cache)(words["sso_start_url"])
            ends = datetime.fromisoformat(str(found["expiresAt"]).replace("UTC", "+00:00"))
            if ends <= now:
                raise SSOTokenLoadError(error_msg="expired")
            return str(found["accessToken"])

        return attempt(self._aws.credential, load, service="the AWS command line", login=login)

    def _wrong(self, name: str, problem: str) -> BrokerError:
        return _misconfigured(self._aws, f'profile "{name}" {problem}')


def _is_ours(command: list[str]) -> bool:
    """Tell whether a program, also behind `env` or an interpreter, is one of credward's own."""
    names = [PurePath(word).name for word in command]
    words = " ".join(command).split() if _STARTERS.fullmatch(names[0]) else command[:1]
    return any(PurePath(word).name in _OURS for word in words)


def _dump(value: object) -> str:
    """Return JSON with times as the AWS command line writes them into its cache."""
    return json.dumps(
        value, default=lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def _misconfigured(aws: Aws, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{aws.credential}" got no token, {problem}')
