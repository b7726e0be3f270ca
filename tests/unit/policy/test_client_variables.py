"""What a caller tells of its environment, and what follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.policy.client_variables import (
    Claims,
    authorities,
    mcp_server,
    must_be_judged,
    read_claims,
    told,
)
from credward.policy.destinations import VARIABLES
from credward.tokens import ClientFlag

API = "https://api.anthropic.com"
# What the environment of a process may hold (environ(7)).
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(st.sampled_from(VARIABLES), VALUES))
def test_values_arrive_as_they_are(environ: dict[str, str]) -> None:
    """But for white space at their ends, which Claude Code does not count."""
    text = told(environ)
    found = read_claims(text).variables

    assert text.isascii()
    assert text.isprintable()
    assert not set(found) - set(environ)
    assert all(environ[name].find(value) >= 0 for name, value in found.items())


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, Claims(variables={}, base_url=API)),
        ({"ANTHROPIC_BASE_URL": "", "HTTPS_PROXY": ""}, Claims(variables={}, base_url=API)),
        (
            {"ANTHROPIC_BASE_URL": " https://h,\u00fc\n", "NODE_TLS_REJECT_UNAUTHORIZED": "0"},
            Claims(
                variables={"ANTHROPIC_BASE_URL": "https://h,\u00fc"},
                base_url="https://h,\u00fc",
                flags=frozenset(
                    {ClientFlag(word="tls-off", variable="NODE_TLS_REJECT_UNAUTHORIZED")}
                ),
            ),
        ),
        (
            {"NODE_TLS_REJECT_UNAUTHORIZED": "1", "all_proxy": "x", "NODE_EXTRA_CA_CERTS": "/x"},
            Claims(
                variables={"NODE_EXTRA_CA_CERTS": ":/x"},
                base_url=API,
                flags=frozenset(
                    {
                        ClientFlag(word="proxy", variable="all_proxy"),
                        ClientFlag(word="extra-ca", variable="NODE_EXTRA_CA_CERTS", file="/x"),
                    }
                ),
            ),
        ),
        (
            {"CLAUDECODE": "1", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "240000"},
            Claims(variables={}, base_url=API, cache_ttl=240.0, in_tool=True),
        ),
        (
            {"CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_USE_VERTEX": "on"},
            Claims(
                variables={"CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_USE_VERTEX": "on"},
                base_url=None,
                switches=("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"),
            ),
        ),
    ],
)
def test_what_follows(environ: dict[str, str], wanted: Claims) -> None:
    """Of what is told, and of nothing else in an environment."""
    assert read_claims(told({**environ, "ANTHROPIC_API_KEY": "sk", "PATH": "/bin"})) == wanted


@pytest.mark.parametrize("value", ["5m", "-1", "1.5", "1e3", "\u0663", "9" * 13, " "])
def test_a_time_that_is_no_plain_number_is_none(value: str) -> None:
    """Claude Code then keeps a token for its default time, which the daemon knows."""
    text = told({"CLAUDE_CODE_API_KEY_HELPER_TTL_MS": value})

    assert read_claims(text).cache_ttl is None


def words(environ: dict[str, str], digest: str = "") -> set[str]:
    digests = dict.fromkeys(environ.values(), digest)
    return {each.word for each in read_claims(told(environ, digests)).flags}


def test_s2_which_proxy_and_which_authorities() -> None:
    """Host and port, in one spelling; the digest of the content, with the path for messages."""
    environ = {"HTTPS_PROXY": "http://Proxy.Corp", "NODE_EXTRA_CA_CERTS": "/a:b.pem"}
    claims = read_claims(told(environ, {"/a:b.pem": "a" * 64}))

    assert words(environ, "a" * 64) == {"proxy=proxy.corp:80", f"extra-ca=sha256:{'a' * 64}"}
    assert [each.file for each in claims.flags if each.file] == ["/a:b.pem"]
    assert authorities(claims.variables["NODE_EXTRA_CA_CERTS"])[1] == "/a:b.pem"


def test_s2_what_only_claude_code_or_openssl_reads_counts_too() -> None:
    """The same names as in a settings file; a folder of certificates is any."""
    environ = {"CLAUDE_CODE_HTTPS_PROXY": "http://u:canary@h", "SSL_CERT_DIR": "/certs"}
    text = told(environ)

    assert "canary" not in text
    assert words(environ) == {"proxy=h:80", "extra-ca"}
    assert words({"CLAUDE_CODE_HTTP_PROXY": "http://h", "SSL_CERT_FILE": "/x"}) == words(environ)
    assert words({"SSL_CERT_FILE": "/x"}, "a" * 64) == {f"extra-ca=sha256:{'a' * 64}"}


@pytest.mark.parametrize(
    "environ",
    [
        {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"},
        {"SSL_CERT_FILE": "/etc/pki/tls/certs/ca-bundle.crt", "SSL_CERT_DIR": "/etc/ssl/certs"},
        {"NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt"},
        {"SSL_CERT_DIR": "/etc/ssl/certs:/etc/pki/tls/certs"},
    ],
    ids=["Debian", "conda on Red Hat", "Node", "both"],
)
def test_s2_the_systems_own_authorities_add_nothing(environ: dict[str, str]) -> None:
    """An agent trusts them without the variable."""
    assert words(environ) == set()
    assert words(environ, "a" * 64) == set()


@pytest.mark.parametrize(
    "environ",
    [
        {"SSL_CERT_DIR": "/etc/ssl/certs:"},
        {"SSL_CERT_DIR": "/etc/ssl/certs:/repo"},
        {"SSL_CERT_DIR": "/etc/ssl/certs/"},
        {"SSL_CERT_FILE": "/etc/ssl/certs/../../../repo/ca.pem"},
        {"SSL_CERT_FILE": " /etc/ssl/cert.pem"},
        {"SSL_CERT_FILE": "etc/ssl/cert.pem"},
    ],
    ids=lambda environ: next(iter(environ.values())),
)
def test_s2_only_exactly_their_place_is_theirs(environ: dict[str, str]) -> None:
    """Not what begins like it."""
    assert words(environ) == {"extra-ca"}


def test_s11_older_callers_name_only_the_variables_of_openssl() -> None:
    """As before: any authority."""
    assert {each.word for each in read_claims("SSL_CERT_FILE,SSL_CERT_DIR").flags} == {"extra-ca"}


def test_s2_a_path_of_authorities_keeps_its_white_space() -> None:
    """`x.pem` and `x.pem ` are two files: Node opens the path as it is."""
    claims = read_claims(told({"NODE_EXTRA_CA_CERTS": "/x.pem "}, {"/x.pem ": "a" * 64}))

    assert [each.file for each in claims.flags] == ["/x.pem "]
    assert authorities(claims.variables["NODE_EXTRA_CA_CERTS"])[1] == "/x.pem "


def test_s11_callers_of_before_name_only_the_variables() -> None:
    """Any proxy, any authority: allowed only by the words for all."""
    found = read_claims("https_proxy,NODE_EXTRA_CA_CERTS").flags

    assert {each.word for each in found} == {"proxy", "extra-ca"}


@pytest.mark.parametrize("digest", ["A" * 64, "a" * 63, "", "sha256"])
def test_what_is_no_digest_names_no_file(digest: str) -> None:
    """A claim with odd words is the claim of any authority."""
    assert words({"NODE_EXTRA_CA_CERTS": "/x"}, digest) == {"extra-ca"}


def test_of_a_proxy_neither_user_nor_password_is_told() -> None:
    """Nothing at all where an address could be read in two ways."""
    for odd in (
        "http://user:canary@h",
        "http://user:can/ary@h:1",
        "canary@h@h",
        "http://canary\\@h",
    ):
        assert "canary" not in told({"HTTPS_PROXY": odd})
        assert "ary" not in told({"HTTPS_PROXY": odd})
    assert "canary" not in repr(read_claims(told({"ANTHROPIC_BASE_URL": "https://u:canary@h"})))


def test_what_a_newer_caller_tells_is_ignored() -> None:
    """As are unknown names everywhere; what is broken is told to the end."""
    text = "FUTURE=1,FUTURE,,ANTHROPIC_BASE_URL=https%3A%2F%2Fh%ff%zz"

    assert read_claims(text).variables == {"ANTHROPIC_BASE_URL": "https://h\ufffd%zz"}


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"CLAUDECODE": "1", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "1"}, False),
        ({"AWS_REGION": "x"}, True),
        ({"http_proxy": "x"}, True),
        ({"CLAUDE_CODE_HTTP_PROXY": "x"}, True),
        ({"SSL_CERT_FILE": "x"}, True),
    ],
)
def test_s11_what_decides_must_be_looked_at(environ: dict[str, str], wanted: bool) -> None:
    """How long a token is kept decides nothing about where it goes."""
    assert must_be_judged(told(environ)) is wanted


def test_an_mcp_server_is_told_by_a_digest() -> None:
    """The same as the helper's; none without a name and a URL."""
    url = {"CLAUDE_CODE_MCP_SERVER_URL": "https://mcp.example/?key=s%C3%A9cret"}

    assert mcp_server({**url, "CLAUDE_CODE_MCP_SERVER_NAME": "linear"}) == "1ab089359a639a4e"
    assert mcp_server(url) is None
    assert mcp_server({}) is None
