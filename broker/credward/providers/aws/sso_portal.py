"""The portal of IAM Identity Center: a role's keys for an access token, and its logout.

Where the access token comes from is `sso` (our login) or `profiles` (the command line's).
"""

from __future__ import annotations

from datetime import UTC, datetime

from credward.providers.aws.client import Aws, attempt
from credward.providers.aws.keys import Keys, keys_from_answer, members_of

__all__ = ["log_out", "role_keys"]


def role_keys(
    aws: Aws, access_token: str, *, region: str, account_id: str, role_name: str, login: str
) -> Keys:
    """Return the keys from GetRoleCredentials; *login* is the command to run when it has ended.

    The end comes in milliseconds (SSO portal reference, RoleCredentials).
    """
    client = aws.client("sso", region=region)
    answer = attempt(
        aws.credential,
        lambda: client.get_role_credentials(
            accountId=account_id, roleName=role_name, accessToken=access_token
        ),
        service="IAM Identity Center",
        login=login,
    )
    found = members_of(aws.credential, answer, "roleCredentials", "IAM Identity Center")
    members = {
        "AccessKeyId": found.get("accessKeyId"),
        "SecretAccessKey": found.get("secretAccessKey"),
        "SessionToken": found.get("sessionToken"),
        "Expiration": _moment(found.get("expiration")),
    }
    return keys_from_answer(
        aws.credential, members, "the answer of IAM Identity Center", aws.io.now()
    )


def log_out(aws: Aws, access_token: str, *, region: str) -> None:
    """End the session behind *access_token* at the portal."""
    client = aws.client("sso", region=region)
    attempt(
        aws.credential,
        lambda: client.logout(accessToken=access_token),
        service="IAM Identity Center",
        login=f"credward login {aws.credential}",
    )


def _moment(milliseconds: object) -> datetime | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
