"""What in a folder keeps a token from being handed out there."""

from __future__ import annotations

import pytest

from credward.policy.redirects import check_folder, counts
from credward.tokens import Folder, SettingsFile

GATE = "https://llm.example.com"
EVIL = "https://evil.example:8443"
SHARED, LOCAL = "/repo/.claude/settings.json", "/repo/.claude/settings.local.json"
FOUNDRY = "https://my-res.services.ai.azure.com"


def folder(
    *settings: tuple[str, str], environ: dict[str, str] | None = None, **more: str
) -> Folder:
    """Return a folder with one file; *more* stands in a second one."""
    files = [SettingsFile(path=SHARED, variables=settings)]
    if more:
        files.append(SettingsFile(path=LOCAL, variables=tuple(more.items())))
    return Folder(variables=tuple((environ or {}).items()), files=tuple(files))


def check(found: Folder, *hosts: str, flags: tuple[str, ...] = ()) -> str | None:
    return check_folder(hosts or (GATE,), flags, found)


HARMLESS = {
    "nothing": folder(),
    "the host itself": folder(("ANTHROPIC_BASE_URL", f"{GATE}/v1")),
    "a cloud that is not in use": folder(
        ("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://localhost:4566")
    ),
    "a cloud that stays off": folder(("CLAUDE_CODE_USE_BEDROCK", "0")),
    "TLS as ever": folder(("NODE_TLS_REJECT_UNAUTHORIZED", "1")),
    "no proxy": folder(("HTTPS_PROXY", "")),
    "what is in force already": folder(
        ("CLAUDE_CODE_USE_FOUNDRY", "1"),
        environ={"CLAUDE_CODE_USE_FOUNDRY": "1", "ANTHROPIC_FOUNDRY_BASE_URL": GATE},
    ),
    "a cloud at the host itself": folder(
        ("CLAUDE_CODE_USE_BEDROCK", "1"), ("ANTHROPIC_BEDROCK_BASE_URL", GATE)
    ),
    "a region that a base URL covers": folder(
        ("AWS_REGION", "eu-west-1"),
        environ={"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_BEDROCK_BASE_URL": GATE},
    ),
}


@pytest.mark.parametrize("found", HARMLESS.values(), ids=HARMLESS)
def test_s2_what_sends_nothing_elsewhere(found: Folder) -> None:
    """Most settings of a repository have nothing to do with where requests go."""
    assert check(found) is None


REDIRECTING = {
    "base URL": (folder(("ANTHROPIC_BASE_URL", EVIL)), "ANTHROPIC_BASE_URL", SHARED, EVIL),
    "in the other file": (
        folder(ANTHROPIC_BASE_URL=EVIL),
        "ANTHROPIC_BASE_URL",
        LOCAL,
        EVIL,
    ),
    "doubled, the first": (
        folder(("ANTHROPIC_BASE_URL", EVIL), ("ANTHROPIC_BASE_URL", GATE)),
        "ANTHROPIC_BASE_URL",
        SHARED,
        EVIL,
    ),
    "doubled, the last": (
        folder(("ANTHROPIC_BASE_URL", GATE), ("ANTHROPIC_BASE_URL", EVIL)),
        "ANTHROPIC_BASE_URL",
        SHARED,
        EVIL,
    ),
    "an empty one": (
        folder(("ANTHROPIC_BASE_URL", ""), environ={"ANTHROPIC_BASE_URL": GATE}),
        "ANTHROPIC_BASE_URL",
        SHARED,
        "https://api.anthropic.com",
    ),
    "no URL": (
        folder(("ANTHROPIC_BASE_URL", "https://llm.example.com@evil.example")),
        "ANTHROPIC_BASE_URL",
        SHARED,
        "an unknown address",
    ),
    "a socket": (
        folder(("ANTHROPIC_UNIX_SOCKET", "/tmp/x")),
        "ANTHROPIC_UNIX_SOCKET",
        SHARED,
        "an unknown address",
    ),
    "another cloud": (
        folder(("CLAUDE_CODE_USE_BEDROCK", "true")),
        "CLAUDE_CODE_USE_BEDROCK",
        SHARED,
        "an unknown address",
    ),
    "another cloud somewhere": (
        folder(("CLAUDE_CODE_USE_FOUNDRY", "1"), ("ANTHROPIC_FOUNDRY_RESOURCE", "evil-res")),
        "ANTHROPIC_FOUNDRY_RESOURCE",
        SHARED,
        "https://evil-res.services.ai.azure.com",
    ),
    "another resource": (
        folder(
            ("ANTHROPIC_FOUNDRY_RESOURCE", "evil-res"),
            environ={
                "CLAUDE_CODE_USE_FOUNDRY": "1",
                "ANTHROPIC_FOUNDRY_RESOURCE": "my-res",
            },
        ),
        "ANTHROPIC_FOUNDRY_RESOURCE",
        SHARED,
        "https://evil-res.services.ai.azure.com",
    ),
    "back from a cloud": (
        folder(
            ("CLAUDE_CODE_USE_FOUNDRY", "0"),
            environ={"CLAUDE_CODE_USE_FOUNDRY": "1", "ANTHROPIC_FOUNDRY_BASE_URL": GATE},
        ),
        "CLAUDE_CODE_USE_FOUNDRY",
        SHARED,
        "https://api.anthropic.com",
    ),
    "a region that leaves the cloud": (
        folder(
            ("AWS_REGION", "evil.example/x"),
            environ={"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-west-1"},
        ),
        "AWS_REGION",
        SHARED,
        "an unknown address",
    ),
    "the endpoint of an SDK": (
        folder(
            ("AWS_ENDPOINT_URL", EVIL),
            environ={"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-west-1"},
        ),
        "AWS_ENDPOINT_URL",
        SHARED,
        EVIL,
    ),
    "what the agent handed to its helper": (
        folder(("ANTHROPIC_BASE_URL", EVIL), environ={"ANTHROPIC_BASE_URL": EVIL}),
        "ANTHROPIC_BASE_URL",
        SHARED,
        EVIL,
    ),
    "an empty one that it handed over": (
        folder(("ANTHROPIC_BASE_URL", "")),
        "ANTHROPIC_BASE_URL",
        SHARED,
        "https://api.anthropic.com",
    ),
    "a cloud that it handed over": (
        folder(
            ("CLAUDE_CODE_USE_BEDROCK", "1"),
            environ={"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-west-1"},
        ),
        "CLAUDE_CODE_USE_BEDROCK",
        SHARED,
        "https://bedrock-runtime.eu-west-1.amazonaws.com",
    ),
    "back from a cloud, handed over": (
        folder(
            ("AWS_REGION", "eu-west-1"),
            ("CLAUDE_CODE_USE_FOUNDRY", "0"),
            environ={"CLAUDE_CODE_USE_FOUNDRY": "0", "AWS_REGION": "eu-west-1"},
        ),
        "CLAUDE_CODE_USE_FOUNDRY",
        SHARED,
        "https://api.anthropic.com",
    ),
    "a region where none was known": (
        folder(("AWS_REGION", "evil.example/x"), environ={"CLAUDE_CODE_USE_BEDROCK": "1"}),
        "AWS_REGION",
        SHARED,
        "an unknown address",
    ),
    "switched off for JavaScript": (
        folder(
            ("ANTHROPIC_BASE_URL", EVIL),
            ("CLAUDE_CODE_USE_FOUNDRY", "\x1c1"),
            ("ANTHROPIC_FOUNDRY_BASE_URL", GATE),
        ),
        "ANTHROPIC_BASE_URL",
        SHARED,
        EVIL,
    ),
    "the region of a model, beside another one": (
        folder(
            ("CLAUDE_CODE_USE_VERTEX", "1"),
            ("ANTHROPIC_VERTEX_BASE_URL", ""),
            ("CLOUD_ML_REGION", "global"),
            ("VERTEX_REGION_CLAUDE_X", "us-east5"),
        ),
        "VERTEX_REGION_CLAUDE_X",
        SHARED,
        "https://us-east5-aiplatform.googleapis.com",
    ),
    "the region of a model": (
        folder(
            ("VERTEX_REGION_CLAUDE_X", "us-east5"),
            environ={"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "global"},
        ),
        "VERTEX_REGION_CLAUDE_X",
        SHARED,
        "https://us-east5-aiplatform.googleapis.com",
    ),
}


@pytest.mark.parametrize(("found", "name", "path", "where"), REDIRECTING.values(), ids=REDIRECTING)
def test_s2_what_sends_it_elsewhere(found: Folder, name: str, path: str, where: str) -> None:
    """One line: what it is for, which variable in which file sends it where, and what to do."""
    assert check(found, GATE, FOUNDRY) == (
        f"is for {GATE} and {FOUNDRY} only, and {name} in {path} sends it to {where}: "
        "remove it there"
    )


@pytest.mark.parametrize(
    ("name", "value", "shown", "flag"),
    [
        ("HTTPS_PROXY", "http://user:pw@evil.example:1", "evil.example:1", "proxy"),
        ("ALL_PROXY", "socks5://evil.example", "evil.example:1080", "proxy"),
        ("CLAUDE_CODE_HTTP_PROXY", "http://evil.example", "evil.example:80", "proxy"),
        ("HTTP_PROXY", "http://user:pw@evil@example", "", "proxy"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0", "", "tls-off"),
        ("NODE_EXTRA_CA_CERTS", "/repo/ca.pem", "/repo/ca.pem", "extra-ca"),
        ("SSL_CERT_FILE", "/repo/ca.pem", "/repo/ca.pem", "extra-ca"),
    ],
)
def test_s2_what_could_read_it_on_its_way(name: str, value: str, shown: str, flag: str) -> None:
    """Named without a password, unless the credential allows such a thing."""
    found = folder((name, value))
    known = flag == "proxy" and shown
    command = f"run credward setup claude-code NAME --allow-proxy {shown}"
    words = f'write "{flag}" into allow_client_flags (credward config edit)'

    assert check(found) == (
        f"is not handed out here, because {SHARED} sets {name}{shown and f' to {shown}'}: "
        f"remove it there, or {command if known else words}"
    )
    assert check(found, flags=(flag,)) is None
    assert (check(found, flags=(f"proxy={shown}",)) is None) == bool(known)


def test_s2_a_file_may_name_the_authorities_that_the_caller_uses() -> None:
    """The caller's digest is of that file; of any other nobody knows the content."""
    digest = "a" * 64
    environ = {"NODE_EXTRA_CA_CERTS": f"{digest}:/corp.pem"}
    allowed = (f"extra-ca=sha256:{digest}",)
    same = folder(("NODE_EXTRA_CA_CERTS", "/corp.pem"), environ=environ)
    other = folder(("NODE_EXTRA_CA_CERTS", "/repo/ca.pem"), environ=environ)
    elsewhere = folder(("SSL_CERT_FILE", "/corp.pem"), environ=environ)

    assert check(same, flags=allowed) is None
    assert "NODE_EXTRA_CA_CERTS to /repo/ca.pem" in str(check(other, flags=allowed))
    assert "SSL_CERT_FILE to /corp.pem" in str(check(elsewhere, flags=allowed))
    assert "--allow-ca /corp.pem" in str(check(same))


def test_s2_a_file_may_name_the_systems_own_authorities() -> None:
    """They count without being named; a folder beside them does not."""
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert check(folder((name, "/etc/ssl/certs/ca-certificates.crt"))) is None
    assert check(folder(("SSL_CERT_DIR", "/etc/ssl/certs"))) is None
    assert "SSL_CERT_DIR to /etc/ssl/certs:/repo" in str(
        check(folder(("SSL_CERT_DIR", "/etc/ssl/certs:/repo")))
    )


def test_s2_a_file_may_name_the_callers_own_bundle() -> None:
    """In the same variable: another one may be read by another program."""
    digest = "a" * 64
    environ = {"SSL_CERT_FILE": f"{digest}:/nix/bundle.pem"}
    allowed = (f"extra-ca=sha256:{digest}",)

    assert (
        check(folder(("SSL_CERT_FILE", "/nix/bundle.pem"), environ=environ), flags=allowed) is None
    )
    other = folder(("NODE_EXTRA_CA_CERTS", "/nix/bundle.pem"), environ=environ)
    assert "NODE_EXTRA_CA_CERTS" in str(check(other, flags=allowed))


@pytest.mark.parametrize("path", ["ca.pem", "./ca.pem", "/ca\ufffd.pem"])
def test_s2_a_path_that_may_lead_elsewhere_is_not_the_callers(path: str) -> None:
    """A relative one depends on the folder, half a character stands for many: a word for all."""
    digest = "a" * 64
    found = folder(
        ("NODE_EXTRA_CA_CERTS", path), environ={"NODE_EXTRA_CA_CERTS": f"{digest}:{path}"}
    )

    assert "NODE_EXTRA_CA_CERTS" in str(check(found, flags=(f"extra-ca=sha256:{digest}",)))
    assert check(found, flags=("extra-ca",)) is None


@pytest.mark.parametrize(
    "fault", ["cannot be read: correct it", "is too large: shorten it", "is not JSON: correct it"]
)
def test_s2_what_nobody_can_tell(fault: str) -> None:
    """A file that we cannot read the agent might."""
    found = Folder(files=(SettingsFile(path=SHARED, fault=fault),))

    assert check(found) == f"is not handed out here, because {SHARED} {fault}"


def test_s2_a_credential_for_anywhere_goes_anywhere() -> None:
    """Without hosts there is nothing to hold a caller to."""
    found = folder(("ANTHROPIC_BASE_URL", EVIL), ("HTTPS_PROXY", EVIL))

    assert check_folder((), (), found) is None


def test_s2_a_hostile_path_moves_no_cursor() -> None:
    """What came from outside is shown without what a terminal obeys, and cut."""
    path = f"/repo/\x1b]52;c;x\a{'x' * 500}/.claude/settings.json"
    found = Folder(files=(SettingsFile(path=path, fault="is not JSON: correct it"),))
    reason = check(found)

    assert reason is not None
    assert reason.isprintable()
    assert len(reason) < 300
    assert "/.claude/settings.json is not JSON" in reason


def test_s11_a_hostile_name_moves_no_cursor() -> None:
    """Half a character, what a terminal obeys, and any length: the line stays one of plain text."""
    for ending in ("\ud800", "\n\x1b]52;c;eA==\a", "x" * 40_000):
        reason = check(folder(("CLAUDE_CODE_USE_VERTEX", "1"), (f"VERTEX_REGION_{ending}", "us")))

        assert reason is not None
        assert reason.isprintable()
        assert reason.encode()
        assert len(reason) < 400


def test_s2_what_decides_already_is_not_blamed_on_a_file() -> None:
    """A caller that says where it sends the token, whatever its environment says, may have other settings."""
    environ = {"CLAUDE_CODE_USE_BEDROCK": "1"}
    harmless = folder(("AWS_ENDPOINT_URL_S3", EVIL), ("ANTHROPIC_FOUNDRY_BASE_URL", EVIL))

    assert check(Folder(variables=tuple(environ.items()), files=harmless.files)) is None


def test_what_counts() -> None:
    """Addresses, switches, places and what stands in between; no keys."""
    assert counts("ANTHROPIC_BASE_URL")
    assert counts("VERTEX_REGION_CLAUDE_5_OPUS")
    assert counts("HTTPS_PROXY")
    assert not counts("ANTHROPIC_API_KEY")
    assert not counts("PATH")
    assert not counts("")
