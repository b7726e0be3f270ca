"""`credward get` at the real URLs of providers: a whole daemon in a namespace, with fakes for hosts.

Run by `test_real_urls.py` as `python -m integration.real_gets FOLDER trusted|untrusted`; prints one
line of JSON. The configuration names no URL of a provider, and one CA.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import trustme

from canaries import canary
from fakes import anthropic_oauth, aws_sso, entra_server, google_server
from fakes.tls_stub import serving_tls
from integration.daemon import DaemonFactory, RunningDaemon

# Each far side has an address of its own, and answers as nobody else.
HOSTS: Mapping[str, str] = {
    "login.microsoftonline.com": "127.0.0.2",
    "sts.amazonaws.com": "127.0.0.3",
    "oauth2.googleapis.com": "127.0.0.4",
    "api.anthropic.com": "127.0.0.5",
}
_ROLE = "arn:aws:iam::123456789012:role/agent"
_ACCESS_KEY = "AKIA0000000000000000"
# Name, and whose token it is to bring.
OWNERS: Mapping[str, str] = {
    "entra-secret": "client_credentials",
    "aws-role": f"deployer as {_ROLE}",
    "gcp-service-account": google_server.AGENT,
    "gcp-user": "user",
    "anthropic-federation": anthropic_oauth.RULE,
}
_CONFIG = f"""
{{network}}

[credentials.entra-secret]
provider = "entra"
tenant = "{entra_server.TENANT}"
client_id = "{entra_server.CLIENT}"
client_secret = {{{{ file = "{{secrets}}/client-secret" }}}}
scope = "api://x/.default"

[credentials.aws-role]
provider = "aws"
source = {{{{ file = "{{secrets}}/keys.json" }}}}
role_arn = "{_ROLE}"

[credentials.gcp-service-account]
provider = "gcp"
credentials_file = "{{secrets}}/service-account.json"

[credentials.gcp-user]
provider = "gcp"
credentials_file = "{{secrets}}/user.json"

[credentials.anthropic-federation]
provider = "anthropic"
federation_rule_id = "{anthropic_oauth.RULE}"
organization_id = "{anthropic_oauth.ORGANIZATION}"
identity_file = "{{secrets}}/jwt"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What `credward get` of one credential came to; *owner*: whose token it printed."""

    exit_code: int
    errors: str
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All credentials by name, and the hosts that were asked by the name that the client gave."""

    got: dict[str, Got] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def run(folder: Path, *, trusted: bool) -> Outcome:
    """Start stubs and a daemon, get everything; *trusted*: with `network.ca` set to their CA."""
    ca, ca_file = trustme.CA(), folder / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    entra = entra_server.EntraServer(https="https://login.microsoftonline.com")
    google, aws = google_server.Google(), aws_sso.AwsSso(owners={_ACCESS_KEY: "deployer"})
    anthropic = anthropic_oauth.AnthropicServer()
    handlers = {
        "login.microsoftonline.com": entra_server.make_handler(entra),
        "sts.amazonaws.com": aws_sso.make_handler(aws),
        "oauth2.googleapis.com": google_server.make_handler(google),
        "api.anthropic.com": anthropic_oauth.make_handler(anthropic),
    }
    owners: tuple[Callable[[str], str | None], ...] = (
        entra.made.get,
        google.bearers.get,
        lambda text: anthropic_oauth.RULE if text in anthropic.tokens else None,
        lambda text: aws.owners.get(json.loads(text)["AccessKeyId"]) if text[:1] == "{" else None,
    )
    daemons = DaemonFactory(folder)
    try:
        with contextlib.ExitStack() as stubs:
            for host, handler in handlers.items():
                stubs.enter_context(serving_tls(handler, [host], ca, address=HOSTS[host]))
            # No proxy and no CA of the environment: the configuration alone.
            daemon = daemons.prepare("")
            # Not in its home, which is searched for secrets afterwards.
            secrets = folder / "secrets"
            _write_secrets(secrets, jwt=anthropic.sign())
            network = f'[network]\nca = "{ca_file}"' if trusted else ""
            daemon.write_config(_CONFIG.format(secrets=secrets, network=network))
            daemon.start()
            got = {name: _get(daemon, name, owners) for name in OWNERS}
            asked = [headers["host"] for _, _, headers in entra.asked]
            asked += [*aws.hosts, *(seen.host for seen in google.seen)]
            asked += [headers["host"] for headers in anthropic.exchange_headers]
    finally:
        found = daemons.close()
    assert found == [], found
    return Outcome(got=got, asked=sorted(asked))


def _write_secrets(folder: Path, *, jwt: str) -> None:
    folder.mkdir()
    keys = {"AccessKeyId": _ACCESS_KEY, "SecretAccessKey": canary("aws-key")}
    for name, text in {
        "client-secret": entra_server.SECRET,
        "keys.json": json.dumps(keys),
        "service-account.json": json.dumps(google_server.service_account()),
        "jwt": jwt,
        "user.json": json.dumps(google_server.authorized_user()),
    }.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)


def _get(daemon: RunningDaemon, name: str, owners: tuple[Callable[[str], str | None], ...]) -> Got:
    command = [sys.executable, "-m", "credward", "get", name, "--no-start", "--timeout", "30"]
    # Three keys have no form of one line.
    as_json = name.startswith("aws-")
    done = subprocess.run(
        [*command, "--format", "json" if as_json else "token"],
        env=daemon.environment,
        cwd=daemon.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
    )
    printed = done.stdout.strip()
    if as_json and printed:
        printed = json.loads(printed)["token"]
    found = [owner for find in owners if (owner := find(printed)) is not None]
    return Got(
        exit_code=done.returncode, errors=done.stderr, owner=found[0] if len(found) == 1 else None
    )


if __name__ == "__main__":
    os.umask(0o077)
    _, folder_name, trust = sys.argv
    print(json.dumps(asdict(run(Path(folder_name), trusted=trust == "trusted"))))
