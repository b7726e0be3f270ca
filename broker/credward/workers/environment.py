"""The table of what a worker of each provider can see and do.

Both ends read it: `pool` builds the environment from it, `main` confines itself with it.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Mapping

import msgspec

__all__ = [
    "PROBE",
    "RULES",
    "WorkerRules",
    "build_environment",
    "build_program_environment",
    "rules_of",
]

# Text encoding and time zone: harmless, and needed.
_LOCALE = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
# What the command line tools of the vendors need to find their own logins.
_HOME = (
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
)
# With these an SDK asks an endpoint on this machine, perhaps ours: then a worker would wait for its
# own flight.
_DOORS = (
    "AWS_CONTAINER_*",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "GCE_METADATA_*",
    "IDENTITY_*",
    "MSI_*",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "CREDWARD_*",
)
# Where the AWS command line keeps its files, and where a private network has AWS.
_AWS = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_ECR",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
# Where Azure's services (App Service, Container Apps, Machine Learning) hand out the tokens of
# their managed identities.
_AZURE_IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET")
# How a job of GitHub Actions gets its own OIDC token.
_GITHUB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
# The kind of worker that asks the service behind a credential.
PROBE = "probe"
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_NOWHERE = "/nonexistent"
# How a program reaches the desktop of the user that started the daemon.
_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE")


class WorkerRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the workers of one provider live.

    *variables* come from the daemon's environment; so do *doors*, endpoints on this machine that
    the provider has to ask; the daemon refuses to be one of them (`recursion`). *programs*: it runs
    programs of the user, which need a real HOME and may be set-uid (no "no new privileges"); they
    die with the worker. *size*: workers at once; *spare*: additional ones while that many mints
    hang. *rotates*: its mints may replace their grant: each worker has a journal, and outlives a
    killed daemon.
    """

    variables: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    programs: bool = False
    size: int = 2
    spare: int = 6
    rotates: bool = False

    @property
    def dies_with_daemon(self) -> bool:
        """Whether nothing is lost when it ends together with the daemon."""
        return not self.rotates


RULES: Mapping[str, WorkerRules] = {
    # Profiles are files below HOME and may name programs. The endpoints are for private networks:
    # only its owner sets the daemon's environment.
    "aws": WorkerRules(variables=(*_HOME, *_AWS), programs=True, size=4, rotates=True),
    "command": WorkerRules(variables=_HOME, programs=True, size=8),
    # A static secret may be read by a program (`op read`) or from a file below HOME.
    "static": WorkerRules(variables=_HOME, programs=True),
    # Application Default Credentials lie below HOME, or where these point; subject tokens may come
    # from a program.
    "gcp": WorkerRules(
        variables=(*_HOME, "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"), programs=True
    ),
    # HOME is for az and for files below it; msal reads neither it nor the rest.
    "entra": WorkerRules(
        variables=(*_HOME, "AZURE_CONFIG_DIR", *_GITHUB),
        doors=_AZURE_IDENTITY,
        programs=True,
        rotates=True,
    ),
    # The keychain is found through D-Bus; which one is the desktop's choice. It may ask the user,
    # once at a time.
    "keychain": WorkerRules(variables=(*_HOME, "XDG_CURRENT_DESKTOP"), size=1, spare=0),
    "local": WorkerRules(),
    # HOME is for `network.ca`, which may begin with ~/. It reads nothing else, and mints nothing.
    PROBE: WorkerRules(variables=("HOME",), size=1, spare=0),
    # `ant` keeps its profiles below HOME, or where this variable says.
    "anthropic": WorkerRules(variables=(*_HOME, "ANTHROPIC_CONFIG_DIR"), programs=True),
    # The vendors' own variables; `~/.vault-token`, or a program, may hold what is presented. A
    # secret id that was unwrapped must not be lost.
    "vault": WorkerRules(
        variables=(*_HOME, "VAULT_ADDR", "VAULT_NAMESPACE", "BAO_ADDR", "BAO_NAMESPACE"),
        programs=True,
        rotates=True,
    ),
    # Its secret, key or assertion may be read as for `static`; a rotation must not be interrupted.
    "oauth": WorkerRules(variables=_HOME, programs=True, rotates=True),
}


def rules_of(provider: str) -> WorkerRules:
    """Return the rules for *provider*; one that is not in the table gets nothing."""
    return RULES.get(provider, WorkerRules())


def build_environment(provider: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a worker, given the daemon's."""
    rules = rules_of(provider)
    allowed = {
        name: environ[name]
        for name in (*_LOCALE, *rules.variables)
        if name in environ and not any(fnmatch.fnmatchcase(name, door) for door in _DOORS)
    }
    allowed |= {name: environ[name] for name in rules.doors if name in environ}
    if "HOME" not in rules.variables:
        # Otherwise the SDKs search profiles and the network themselves.
        allowed |= {"HOME": _NOWHERE, "AWS_EC2_METADATA_DISABLED": "true"}
    # Helper and command line refuse to run with this mark.
    return allowed | {"PATH": _path(), "CREDWARD_WORKER": "1"}


def build_program_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that the daemon starts itself, not for a mint."""
    names = (*_LOCALE, *_HOME, *_DESKTOP)
    return {name: environ[name] for name in names if name in environ} | {"PATH": _path()}


def _path() -> str:
    return f"/opt/homebrew/bin:{_PATH}" if sys.platform == "darwin" else _PATH
