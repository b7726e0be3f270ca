"""Where a token may go."""

import shlex
from typing import Any

import pytest
from msgspec.structs import replace

from credward.policy.base_url import check_base_url
from credward.tokens import ClientFlag

HOME = ("https://llm.example.com",)


def reason_of(*words: Any, **more: Any) -> str | None:
    """Return why it is refused, None if it is not."""
    refusal = check_base_url(*words, **more)
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize(
    "claimed",
    [
        "https://llm.example.com",
        "https://LLM.example.com/v1/messages",
        "https://llm.example.com:443",
        "https://llm.example.com.",
    ],
)
def test_the_same_origin_passes(claimed: str) -> None:
    """Scheme, host and port after normalisation; the path does not matter."""
    assert reason_of(HOME, (), claimed, ()) is None


def test_a_switch_to_a_cloud_is_named_as_the_cause() -> None:
    """Wherever that leads; not if requests come to the right host all the same."""
    switches = ("CLAUDE_CODE_USE_BEDROCK",)
    unclear = reason_of(HOME, (), None, (), by_claude_code=True, switches=switches)
    elsewhere = reason_of(HOME, (), "https://bedrock.example", (), switches=switches)
    only, cure = "is for https://llm.example.com only", "unset CLAUDE_CODE_USE_BEDROCK, or correct "

    assert unclear is not None
    assert elsewhere is not None
    assert unclear.startswith(
        f"{only}, and with CLAUDE_CODE_USE_BEDROCK it is not known where requests go: {cure}"
    )
    assert elsewhere.startswith(f"{only}, not for https://bedrock.example: {cure}")
    assert reason_of(HOME, (), HOME[0], (), switches=switches) is None


def test_s11_port_0_is_no_port_and_never_the_default_one() -> None:
    """Neither claimed nor configured: what dials there is refused by the system, or takes another."""
    assert reason_of(HOME, (), "https://llm.example.com:0", ()) is not None
    assert reason_of(("https://llm.example.com:0",), (), HOME[0], ()) is not None


@pytest.mark.parametrize(
    "claimed",
    [
        None,
        "",
        "llm.example.com",
        "http://llm.example.com",
        "https://llm.example.com:8443",
        "https://llm.example.com.evil.example",
        "https://llm.example.com@evil.example",
        "https://evil.example/https://llm.example.com",
        "https://evil.example\\@llm.example.com",
        "https://llm.example.com:x",
        "https://llm.example.com:0",
        "https://llm.example.com:00",
        "https://llm.ex\u0430mple.com",
        "https://[::1",
        "file:///llm.example.com",
    ],
)
def test_anything_else_is_denied_with_a_reason(claimed: str | None) -> None:
    """Also nothing said at all."""
    reason = reason_of(HOME, (), claimed, ())

    assert reason is not None
    assert reason.startswith("is for https://llm.example.com only")


def test_without_configured_hosts_it_may_go_anywhere() -> None:
    """A claim can only deny."""
    assert reason_of((), (), "https://evil.example", (ClientFlag(word="tls-off"),)) is None


def test_flags_must_be_allowed() -> None:
    """A proxy or switched-off TLS could read along."""
    proxy, off = ClientFlag(word="proxy"), ClientFlag(word="tls-off")
    assert reason_of(HOME, ("proxy",), HOME[0], (proxy,)) is None
    reason = reason_of(HOME, ("proxy",), HOME[0], (proxy, off))

    assert reason == (
        "is not handed out to a caller with NODE_TLS_REJECT_UNAUTHORIZED set: unset it, or write "
        '"tls-off" into allow_client_flags (credward config edit)'
    )


CORP = ClientFlag(word="proxy=proxy.corp:3128", variable="HTTPS_PROXY")
CA = ClientFlag(word=f"extra-ca=sha256:{'a' * 64}", variable="NODE_EXTRA_CA_CERTS", file="/ca.pem")
RENEWED = replace(CA, word=f"extra-ca=sha256:{'b' * 64}")
ALLOWED = (CORP.word, CA.word)


def test_s2_one_proxy_and_one_authority_are_allowed_and_no_other() -> None:
    """By host and port, by the digest of the file; the line says which, and what to type."""
    another = ClientFlag(word="proxy=evil.example:3128", variable="https_proxy")

    assert reason_of(HOME, ALLOWED, HOME[0], (CORP, CA)) is None
    assert reason_of(HOME, ("proxy", "extra-ca"), HOME[0], (another, RENEWED)) is None
    assert reason_of(HOME, ALLOWED, HOME[0], (CORP, CA, another, RENEWED), name="gw") == (
        "is not handed out to a caller with NODE_EXTRA_CA_CERTS set to /ca.pem (changed, or "
        "another file than allowed: sha256:aaaaaaaaaaaa…) and https_proxy set to "
        "evil.example:3128: unset them, or run credward setup claude-code gw --allow-ca /ca.pem "
        "--allow-proxy evil.example:3128"
    )


def test_s2_one_proxy_in_two_variables_is_named_once() -> None:
    """The line is short enough for an agent to show."""
    twice = (CORP, replace(CORP, variable="HTTP_PROXY"))

    assert reason_of(HOME, (), HOME[0], twice, name="gw") == (
        "is not handed out to a caller with HTTPS_PROXY set to proxy.corp:3128: unset it, or run "
        "credward setup claude-code gw --allow-proxy proxy.corp:3128"
    )


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (ClientFlag(word="proxy", variable="all_proxy"), "with all_proxy set: unset it, or write"),
        (ClientFlag(word="proxy=p:1"), "with HTTPS_PROXY or similar set to p:1: "),
        (
            replace(CA, word="extra-ca"),
            "set to /ca.pem (unreadable): unset it, or correct the path in NODE",
        ),
        (replace(RENEWED, file=""), "with NODE_EXTRA_CA_CERTS set: unset it, or run"),
        (
            replace(RENEWED, file="/\x1b[2J\n"),
            "set to /\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER} (changed",
        ),
    ],
)
def test_s2_what_a_caller_did_not_say_is_denied_like_another(flag: ClientFlag, said: str) -> None:
    """As from helpers of before, which told only that something is set."""
    reason = reason_of(HOME, ALLOWED, HOME[0], (flag,))

    assert reason is not None
    assert said in reason


@pytest.mark.parametrize(
    ("file", "typed"),
    [
        ("evil.pem; touch pwned #", "'evil.pem; touch pwned #'"),
        ("/it's $(id).pem", "'/it'\"'\"'s $(id).pem'"),
        ("/\x1b[2Jca.pem", "FILE"),
        ("/ca.pem\nid", "FILE"),
        ("/ca\ufffd.pem", "FILE"),
        (f"/{'x' * 200};id", "FILE"),
        ("", "FILE"),
    ],
)
def test_s2_the_command_to_paste_runs_nothing_else(file: str, typed: str) -> None:
    """A repository may choose the name of the file: the shell reads one word."""
    reason = reason_of(HOME, (), HOME[0], (replace(CA, file=file),), name="gw")

    assert reason is not None
    assert reason.endswith(f"run credward setup claude-code gw --allow-ca {typed}")
    assert shlex.split(typed) == [file if typed != "FILE" else "FILE"]


def test_s2_a_proxy_to_paste_is_one_word() -> None:
    """The brackets of an address would be a pattern of the shell."""
    proxy = ClientFlag(word="proxy=[::1]:3128", variable="HTTPS_PROXY")
    reason = reason_of(HOME, (), HOME[0], (proxy,), name="gw")

    assert reason is not None
    assert reason.endswith("--allow-proxy '[::1]:3128'")


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        ("https://api.anthropic.com/v1", "https://api.anthropic.com"),
        ("https://llm.example.com:8443", "https://llm.example.com:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_s15_the_line_says_what_to_type(claimed: str, shown: str) -> None:
    """All hosts that it is for, the one that it is not for, and the option with the first of them."""
    hosts = ("https://a.example.com", "https://b.example.com", "https://c.example.com")
    reason = reason_of(hosts, (), claimed, ())

    assert reason == (
        "is for https://a.example.com, https://b.example.com and https://c.example.com only, "
        f"not for {shown}: add --base-url https://a.example.com if you send it there"
    )


@pytest.mark.parametrize(
    ("claimed", "switches", "flags", "rule", "variables"),
    [
        ("https://evil.example", (), (), "base-url", ()),
        (None, ("CLAUDE_CODE_USE_BEDROCK",), (), "client-switch", ("CLAUDE_CODE_USE_BEDROCK",)),
        (HOME[0], (), (CORP,), "proxy", ("HTTPS_PROXY",)),
        (HOME[0], (), (CORP, CA), "extra-ca proxy", ("NODE_EXTRA_CA_CERTS", "HTTPS_PROXY")),
        (HOME[0], (), (ClientFlag(word="tls-off"),), "tls-off", ()),
    ],
)
def test_each_cause_has_a_rule_and_its_variables(
    claimed: str | None,
    switches: tuple[str, ...],
    flags: tuple[ClientFlag, ...],
    rule: str,
    variables: tuple[str, ...],
) -> None:
    """For the audit log, which gets no text of a caller."""
    refusal = check_base_url(HOME, (), claimed, flags, switches=switches)

    assert refusal is not None
    assert (refusal.rule, refusal.variables) == (rule, variables)


def test_a_file_of_authorities_that_changed_is_no_riddle() -> None:
    """Its path was allowed by its content; the line says so, and shows which content it was."""
    refused = reason_of(HOME, (CA.word, "proxy"), HOME[0], (RENEWED,))

    assert refused is not None
    assert (
        "NODE_EXTRA_CA_CERTS set to /ca.pem (changed, or another file than allowed: "
        "sha256:aaaaaaaaaaaa…): unset it, or run credward setup claude-code NAME --allow-ca /ca.pem"
    ) in refused
