"""The one process on a machine that owns credentials for AI coding agents and cloud SDKs.

For programs in Python it offers what SDKs take in place of a key. Importing it loads no SDK.
"""

from __future__ import annotations

# Type checkers take it for true; `typing` costs more than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import boto3

    from credward.sdk.anthropic import Credentials
    from credward.sdk.bearer import AsyncTokenProvider, TokenProvider
    from credward.sdk.google import Credentials as GoogleCredentials

__all__ = [
    "__version__",
    "async_token_provider",
    "aws_session",
    "credentials",
    "google_credentials",
    "token_provider",
]

__version__ = "0.1.0"


def token_provider(
    name: str | None = None,
    *,
    base_url: str | None = None,
    audience: str | None = None,
    scopes: Sequence[str] = (),
    timeout: float = 30.0,
) -> TokenProvider:
    """Return a callable that returns a token of the credential *name*, for each request anew.

    Without *name*, what was chosen. *base_url*: where you send the token, for a credential that is
    bound to a host. *audience* and *scopes*: others than the configured ones, if it serves them.
    *timeout*: how long a call may take (seconds). A call raises `credward.errors.BrokerError`.
    """
    from credward.sdk.asking import Wanted  # noqa: PLC0415
    from credward.sdk.bearer import TokenProvider  # noqa: PLC0415

    return TokenProvider(
        Wanted(
            name=name, base_url=base_url, audience=audience, scopes=tuple(scopes), timeout=timeout
        )
    )


def async_token_provider(
    name: str | None = None,
    *,
    base_url: str | None = None,
    audience: str | None = None,
    scopes: Sequence[str] = (),
    timeout: float = 30.0,
) -> AsyncTokenProvider:
    """Return the same for a client that awaits its tokens."""
    from credward.sdk.asking import Wanted  # noqa: PLC0415
    from credward.sdk.bearer import AsyncTokenProvider  # noqa: PLC0415

    return AsyncTokenProvider(
        Wanted(
            name=name, base_url=base_url, audience=audience, scopes=tuple(scopes), timeout=timeout
        )
    )


def credentials(name: str | None = None, *, timeout: float = 30.0) -> Credentials:
    """Return what `Anthropic(credentials=…)` takes, and `AsyncAnthropic(credentials=…)`.

    The client says where it sends the token.
    """
    from credward.sdk.anthropic import Credentials  # noqa: PLC0415
    from credward.sdk.asking import Wanted  # noqa: PLC0415

    return Credentials(Wanted(name=name, timeout=timeout))


def aws_session(
    name: str | None = None,
    *,
    region: str | None = None,
    base_url: str | None = None,
    timeout: float = 30.0,
) -> boto3.Session:
    """Return a session of boto3 with the keys of the credential *name*, which it renews."""
    from credward.sdk.asking import Wanted  # noqa: PLC0415
    from credward.sdk.aws import make_session  # noqa: PLC0415

    return make_session(Wanted(name=name, base_url=base_url, timeout=timeout), region)


def google_credentials(
    name: str | None = None,
    *,
    base_url: str | None = None,
    audience: str | None = None,
    scopes: Sequence[str] = (),
    timeout: float = 30.0,
) -> GoogleCredentials:
    """Return credentials of google-auth, for its sessions and for Google's libraries."""
    from credward.sdk.asking import Wanted  # noqa: PLC0415
    from credward.sdk.google import Credentials  # noqa: PLC0415

    return Credentials(
        Wanted(
            name=name, base_url=base_url, audience=audience, scopes=tuple(scopes), timeout=timeout
        )
    )
