"""What an ask means under the configuration."""

import msgspec
import pytest

from credward.callers.caller import Caller, Executable, Process
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.issuing.asking import (
    asker,
    cache_ttl,
    find_credential,
    find_on_grant,
    min_remaining,
    settling,
    token_key,
)
from credward.settings.local import Settings
from credward.tokens import TokenRequest

ASK = TokenRequest(credential="gateway")
SHELL = Caller(uid=1, gid=1, pid=2)
CLAUDE = Caller(
    uid=1,
    gid=1,
    pid=3,
    handle="peerpidfd",
    executable=Executable(path="/bin/credward-helper"),
    agent=Process(pid=9, start_time=77, name="claude"),
    harness="claude",
    ancestry_complete=True,
)


def credential(name: str = "gateway", **words: tuple[str, ...]) -> CredentialConfig:
    return CredentialConfig(
        name=name,
        provider="local",
        settings=Settings(),
        epoch="e",
        grant=name,
        origin="c.toml:3",
        **words,
    )


def config(*names: str, default: str | None = None) -> Config:
    return Config(default=default, credentials={name: credential(name) for name in names})


def wanted(token_request: TokenRequest, caller: Caller) -> float:
    return min_remaining(token_request, cache_ttl(token_request, caller))


def test_a_dash_is_the_default_or_the_only_one() -> None:
    """Else the names to choose from, or the command that adds the first."""
    assert find_credential(config("a", "b", default="b"), "-").name == "b"
    assert find_credential(config("a"), "-").name == "a"
    with pytest.raises(BrokerError, match="name one of a, b"):
        find_credential(config("a", "b"), "-")
    with pytest.raises(BrokerError, match="here: run credward use NAME with one of a, b"):
        find_credential(config("a", "b"), "-", by_claude_code=True)
    with pytest.raises(BrokerError, match="credward add"):
        find_credential(config(), "-")


def test_an_unknown_name_gets_a_guess() -> None:
    """Kind unknown-credential, with the nearest."""
    with pytest.raises(BrokerError, match='perhaps "gateway"') as caught:
        find_credential(config("gateway"), "gatway")

    assert caught.value.kind is Kind.UNKNOWN_CREDENTIAL


def test_claude_code_is_told_how_to_correct_its_settings() -> None:
    """The list alone would not mend them."""
    with pytest.raises(BrokerError) as near:
        find_credential(config("gateway"), "gatewy", by_claude_code=True)
    with pytest.raises(BrokerError) as far:
        find_credential(config("gateway"), "x", by_claude_code=True)
    with pytest.raises(BrokerError) as none:
        find_credential(config(), "x", by_claude_code=True)

    assert near.value.message.endswith(": run credward setup claude-code gateway")
    assert "claude-code NAME with a name from credward status" in far.value.message
    assert none.value.message.endswith(": run credward add, or credward setup claude-code --undo")


def test_listed_audiences_and_scopes_make_keys_of_their_own() -> None:
    """Scopes are sorted and counted once: the same ask is the same key."""
    served = credential(audiences=("x",), scopes=("b", "a"))
    wide = TokenRequest(credential="gateway", audience="x", scopes=("b", "a", "b"))

    key = token_key(served, wide)
    assert (key.audience, key.scopes, key.epoch) == ("x", ("a", "b"), "e")
    with pytest.raises(BrokerError, match=r"serve\.audiences in c\.toml:3"):
        token_key(credential(), wide)
    with pytest.raises(BrokerError, match=r"serve\.scopes"):
        token_key(credential(audiences=("x",)), wide)


def test_what_a_caller_wrote_cannot_move_a_cursor() -> None:
    """An audience from outside is shown without control characters, and not whole."""
    with pytest.raises(BrokerError) as caught:
        token_key(credential(), TokenRequest(credential="g", audience="\x1b[2J" + "x" * 500))

    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 300


def test_lifetime_follows_the_callers_cache() -> None:
    """As asked, else cache time + 30 s + one long turn; Claude Code's own default where unsaid."""
    assert wanted(ASK, SHELL) == 0
    assert wanted(TokenRequest(credential="g", min_remaining=7), CLAUDE) == 7
    assert wanted(TokenRequest(credential="g", cache_ttl=20), SHELL) == 650
    assert (cache_ttl(ASK, CLAUDE), wanted(ASK, CLAUDE)) == (300, 930)
    as_json = TokenRequest(credential="g", format="json")
    assert (cache_ttl(as_json, CLAUDE), wanted(as_json, CLAUDE)) == (300, 0)
    assert cache_ttl(TokenRequest(credential="g", format="env"), CLAUDE) is None
    assert wanted(msgspec.structs.replace(as_json, cache_ttl=20), CLAUDE) == 650


def test_keys_last_longer_than_their_clients_ask_early() -> None:
    """Botocore asks at each use in the last 15 minutes; a longer cache time wants more."""
    process = TokenRequest(credential="g", format="aws-process")
    assert (wanted(process, SHELL), wanted(process, CLAUDE)) == (960, 960)
    assert wanted(msgspec.structs.replace(process, cache_ttl=20), SHELL) == 960
    assert wanted(msgspec.structs.replace(process, cache_ttl=3600), SHELL) == 4230
    assert wanted(msgspec.structs.replace(process, min_remaining=5), SHELL) == 5


def test_g11_an_agent_is_an_asker_in_the_shapes_that_it_asks_for_itself() -> None:
    """Not unattested, not from a tool, not in another shape, not a shell of one's own."""
    names = ("token", "headers", "json", "aws-export")
    shapes = [TokenRequest(credential="g", format=name) for name in names]
    assert len({asker(shape, CLAUDE) for shape in shapes}) == 4
    assert None not in {asker(shape, CLAUDE) for shape in shapes}
    for shape in shapes:
        assert asker(shape, SHELL) is None
        assert asker(shape, msgspec.structs.replace(CLAUDE, harness=None)) is None
        assert asker(shape, msgspec.structs.replace(CLAUDE, handle=None)) is None
        assert asker(msgspec.structs.replace(shape, in_tool=True), CLAUDE) is None
    for name in ("env", "gcp-executable"):
        assert asker(TokenRequest(credential="g", format=name), CLAUDE) is None


def test_the_aws_sdk_of_an_agent_is_an_asker_once_it_has_settled() -> None:
    """By a profile, or at an endpoint as the agent's own process: whoever else asks there is a tool.

    Not the SDKs of Google and Azure: what they ask says nothing.
    """
    itself = msgspec.structs.replace(CLAUDE, pid=9, start_time=77, handle="socket_inode")
    tool = msgspec.structs.replace(CLAUDE, handle="socket_inode")
    profile = TokenRequest(credential="g", format="aws-process")
    assert asker(profile, CLAUDE) is not None
    assert asker(msgspec.structs.replace(profile, in_tool=True), CLAUDE) is None
    for name in ("aws-container", "aws-imds"):
        at_endpoint = TokenRequest(credential="g", format=name)
        assert asker(at_endpoint, itself) is not None
        assert asker(at_endpoint, tool) is None
        assert (cache_ttl(at_endpoint, itself), settling(at_endpoint)) == (300, 12)
    for name in ("gce", "gce-identity", "azure-imds", "azure-app-service"):
        assert asker(TokenRequest(credential="g", format=name), itself) is None
    assert (settling(profile), settling(ASK)) == (12, 0)


def test_g11_each_mcp_server_of_an_agent_asks_for_itself() -> None:
    """They connect within seconds of each other; below one, CLAUDECODE is set and says nothing."""
    asks = [
        TokenRequest(credential="g", format="headers", in_tool=True, mcp_server=server)
        for server in ("linear https://mcp.linear.app", "linear https://other", "jira https://j")
    ]

    assert len({asker(ask, CLAUDE) for ask in asks} - {None}) == 3


def test_s8_a_harness_that_asks_by_itself_is_an_asker_too() -> None:
    """S-8: its own process, as it is for the helper that it runs; and its cache time is the same."""
    itself = msgspec.structs.replace(
        CLAUDE, pid=9, start_time=77, executable=Executable(path="/usr/bin/node")
    )

    assert asker(ASK, itself) == asker(ASK, CLAUDE) is not None
    assert wanted(ASK, itself) == wanted(ASK, CLAUDE)


def test_a_name_of_a_credential_goes_before_one_of_a_grant() -> None:
    """The first on the grant stands for it; a name that is neither is guessed at."""
    shared = [msgspec.structs.replace(credential(name), grant="sso") for name in ("one", "two")]
    found = Config(
        default=None, credentials={each.name: each for each in [*shared, credential("other")]}
    )

    assert find_on_grant(found, "two").name == "two"
    assert find_on_grant(found, "sso").name == "one"
    with pytest.raises(BrokerError, match="neither a credential nor a grant") as caught:
        find_on_grant(found, "othr")
    assert caught.value.kind is Kind.UNKNOWN_CREDENTIAL
    assert "other" in caught.value.message
