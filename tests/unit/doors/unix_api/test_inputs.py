"""Query values and bodies are checked before anybody uses them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward import wire
from credward.doors.unix_api.inputs import (
    is_plain,
    number,
    read_body,
    read_folder_claim,
    read_timeout,
    read_token_request,
)
from credward.errors import BrokerError, Kind
from credward.folder import MEDIA_TYPE
from credward.tokens import ClientFlag, TokenRequest


def test_reads_every_parameter():
    """What the helper sends arrives as a token request; unknown names are ignored (R2)."""
    query = {
        "min_remaining": "930",
        "cache_ttl": "300.5",
        "timeout": "4",
        "audience": "api://x",
        "scope": "b a",
        "client_base_url": "https://h/",
        "client_flags": "proxy=p.corp:3128,tls-off,",
        "in_tool": "1",
        "mcp_server": "00ff",
        "not": "0123456789abcdef",
        "from_the_future": "yes",
    }

    assert read_token_request("gateway", "token", query) == TokenRequest(
        credential="gateway",
        format="token",
        audience="api://x",
        scopes=("b", "a"),
        min_remaining=930.0,
        cache_ttl=300.5,
        timeout=4.0,
        client_base_url="https://h/",
        client_flags=frozenset({ClientFlag(word="proxy=p.corp:3128"), ClientFlag(word="tls-off")}),
        in_tool=True,
        mcp_server="00ff",
        other_than="0123456789abcdef",
    )


def test_what_the_environment_says_counts_where_the_caller_says_nothing_else():
    """The base URL of the command line wins, flags come together, and the answer is to say so."""
    variables = "ANTHROPIC_BASE_URL=https%3A%2F%2Fh,https_proxy,CLAUDECODE"
    ttl = ",CLAUDE_CODE_API_KEY_HELPER_TTL_MS=1500"
    found = read_token_request("gateway", "token", {"variables": variables + ttl})
    outright = {"client_base_url": "https://x", "client_flags": "tls-off", "cache_ttl": "2"}
    named = read_token_request("gateway", "token", {"variables": variables + ttl, **outright})

    assert found == TokenRequest(
        credential="gateway",
        client_base_url="https://h",
        environment_base_url=("https://h",),
        client_flags=frozenset({ClientFlag(word="proxy", variable="https_proxy")}),
        cache_ttl=1.5,
        in_tool=True,
        variables_told=True,
    )
    assert (named.client_base_url, named.cache_ttl) == ("https://x", 2.0)
    assert {each.word for each in named.client_flags} == {"proxy", "tls-off"}
    assert read_token_request("gateway", "json", {"variables": ttl}).cache_ttl is None


def test_nothing_that_is_set_is_a_word_of_its_own():
    """Then requests go where they go by default; who does not say so has said nothing."""
    found = read_token_request("gateway", "token", {"variables": ""})

    assert found.client_base_url == "https://api.anthropic.com"
    assert not found.variables_told
    assert read_token_request("gateway", "token", {"timeout": "4"}).client_base_url is None


def test_the_variables_of_a_folder_are_those_of_the_question():
    """An older helper has them in the body alone."""
    body = b"variable 1 AWS_REGION\na\nunreadable .\n"
    headers = {"content-type": MEDIA_TYPE}
    folder = read_folder_claim(body, headers, None)
    older = read_token_request("gateway", "token", {}, folder)
    newer = read_token_request("gateway", "token", {"variables": "AWS_REGION=b"}, folder)

    assert older.folder == folder
    assert newer.folder is not None
    assert (older.folder.variables, newer.folder.variables) == (
        (("AWS_REGION", "a"),),
        (("AWS_REGION", "b"),),
    )


def test_an_endless_base_url_is_refused_without_a_word_of_it():
    """It may hold a password."""
    query = {"variables": "ANTHROPIC_BASE_URL=https%3A%2F%2Fuser%3Acanary%40" + "h" * 2049}
    with pytest.raises(BrokerError, match="base URL is longer than 2048 characters") as caught:
        read_token_request("gateway", "token", query)

    assert "canary" not in str(caught.value)
    assert "canary" not in repr(
        read_token_request(
            "gateway", "token", {"variables": "ANTHROPIC_BASE_URL=https%3A%2F%2Fcanary%40h"}
        )
    )


def test_defaults_are_those_of_the_token_request():
    """Nothing and empty values are the same."""
    assert read_token_request("-", "json", {}) == TokenRequest(credential="-", format="json")
    assert read_token_request("-", "json", {"audience": "", "scope": ""}) == TokenRequest(
        credential="-", format="json"
    )


@pytest.mark.parametrize("name", ["not", "mcp_server"])
@pytest.mark.parametrize("text", ["", "xyz", "0123\n", "../..", "A" * 16, "0" * 65])
def test_g11_what_is_no_digest_is_refused(name, text):
    """A token id goes into the audit log."""
    with pytest.raises(BrokerError) as caught:
        read_token_request("gateway", "token", {name: text})

    assert caught.value.kind is Kind.BAD_REQUEST


@pytest.mark.parametrize("name", ["", "..", ".", "a b", "a/b", "@host", "é", "a" * 65, "-a", "--"])
def test_r10_a_name_is_a_name(name):
    """R10: nothing that could be a path, a host or an option."""
    with pytest.raises(BrokerError) as caught:
        read_token_request(name, "token", {})

    assert caught.value.kind is Kind.UNKNOWN_CREDENTIAL


@pytest.mark.parametrize("name", ["", "..", "Token", "a b", "-", "a" * 33, "@x"])
def test_r10_a_format_is_a_format(name):
    """R10: as for credentials."""
    with pytest.raises(BrokerError) as caught:
        read_token_request("gateway", name, {})

    assert caught.value.kind is Kind.BAD_REQUEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        "NaN",
        "inf",
        "-1",
        "+1",
        "1e3",
        "1_000",
        " 1",
        "1.",
        ".5",
        "0x10",
        "1000000000",
        "901",
        "٣",
    ],
)
def test_r1_a_number_is_a_number(text):
    """R1: what `float` would take beyond plain digits is refused, and what is out of bounds."""
    with pytest.raises(BrokerError, match="timeout is not a number of seconds between 0 and 900"):
        read_timeout({"timeout": text})


@given(st.floats(0, 900, allow_nan=False))
def test_takes_any_decimal_within_bounds(seconds):
    """Plain decimals come out as they went in."""
    text = f"{seconds:.3f}"

    assert float(text) == number({"x": text}, "x", most=900.5)


@pytest.mark.parametrize(
    "query", [{"client_flags": "Proxy"}, {"client_flags": "proxy=a b"}, {"audience": "a" * 2049}]
)
def test_refuses_what_no_client_of_ours_sends(query):
    """Bounded and of a known alphabet."""
    with pytest.raises(BrokerError) as caught:
        read_token_request("gateway", "token", query)

    assert caught.value.kind is Kind.BAD_REQUEST


def test_r2_ignores_unknown_fields_of_a_body():
    """R2: a newer client may say more than we understand."""
    body = b'{"token_id": "ab", "since": 1, "more": {"x": []}}'

    assert read_body(body, wire.RejectedReport) == wire.RejectedReport(token_id="ab")
    assert read_body(b"", wire.RejectedReport) == wire.RejectedReport()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{",
        b'{"token_id": 1}',
        b'{"token_id": "a", "token_id": "b"}',
        b'{"x": {"y": 1, "y": 2}}',
        b'{"x": NaN}',
        b'{"x": -Infinity}',
        b'{"token_id": "\xff"}',
        b"\0",
        b"\xef\xbb\xbf{}",
        b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"x": ' + b"9" * 10_000 + b"}",
    ],
)
def test_r1_refuses_bodies_with_two_meanings(body):
    """R1: deep, repeated, NaN, not UTF-8: a coded error that does not quote the body."""
    with pytest.raises(BrokerError) as caught:
        read_body(body, wire.RejectedReport)

    assert caught.value.kind is Kind.BAD_REQUEST
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    ("target", "plain"),
    [
        ("/v1/credentials/-/token", True),
        ("/v1/credentials/gateway/token?timeout=4&variables=", True),
        ("/v1/credentials/gateway/json?min_remaining=600&cache_ttl=240.5", True),
        (
            "/v1/credentials/g/token?variables=CLAUDE_CODE_API_KEY_HELPER_TTL_MS=240000,CLAUDECODE",
            True,
        ),
        (
            "/v1/credentials/g/token?variables=ANTHROPIC_BASE_URL=https%253A//user:canary@host",
            False,
        ),
        ("/v1/credentials/g/token?variables=AWS_REGION=canary", False),
        ("/v1/credentials/g/token?client_base_url=https://canary@host", False),
        ("/v1/credentials/g/token?audience=canary", False),
        ("/v1/credentials/g/token?not=0123456789abcdef", False),
        ("/v1/credentials/g/token?timeout=4&timeout=canary", False),
        ("/v1/secrets/canary", False),
        ("/v1/credentials/%63anary/token", False),
    ],
)
def test_h4_a_target_that_may_hold_a_secret_is_not_plain(target, plain):
    """H4: what is plain is remembered, so only names, durations and short numbers are."""
    assert is_plain(target.encode()) is plain
