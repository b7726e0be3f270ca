"""Checks that several providers share."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest

from credward.settings.anthropic import Settings as AnthropicSettings
from credward.settings.checks import (
    check_base_urls,
    check_program,
    check_variables,
    is_page,
    messages_base,
    origin_of,
)
from credward.settings.entra import Settings as EntraSettings
from credward.settings.network import NetworkSettings
from credward.settings.oauth import Settings as OAuthSettings
from credward.settings.vault import Settings as VaultSettings


@pytest.mark.parametrize("command", [["az"], ["/usr/bin/az", "account"], ["~/bin/mint", ""]])
def test_programs_by_name_or_full_path(command):
    """These mean the same in every directory."""
    check_program(command)


@pytest.mark.parametrize("command", [[], [""], [" "], ["./az"], ["bin/az"], ["az", "a\0b"]])
def test_other_programs_are_refused(command):
    """A relative path would depend on where the daemon was started."""
    with pytest.raises(ValueError, match="command"):
        check_program(command)


def test_variables():
    """Names, and none that steer credward."""
    check_variables(["PATH", "AZURE_CONFIG_DIR"])
    for name in ("", "A B", "A=B", "É", "CREDWARD_SOCKET", "CREDWARD_WORKER"):
        with pytest.raises(ValueError, match="env"):
            check_variables([name])


def test_settings_may_check_where_a_token_goes():
    """Those that can tell: a token for Microsoft Graph is no use at a gateway."""
    graph = EntraSettings(tenant="contoso.com", client_id="app", scope="User.Read")
    check_base_urls(("https://llm.example.com",))
    graph.meaning.refuse_base_urls(())
    with pytest.raises(ValueError, match="Microsoft Graph"):
        graph.meaning.refuse_base_urls(("https://llm.example.com",))


@pytest.mark.parametrize(
    "url",
    ["https://a.example/x?y=z", "http://127.0.0.1:8/", "http://localhost/x", "http://[::1]:8/"],
)
def test_pages_that_may_be_opened(url):
    """By https, or on this machine."""
    assert is_page(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "http://127.0.0.1.a.example/",
        "https://login.example.com@a.example/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "--help",
        "https://a.example/\x1b]52;c;eA==\a",
        "https://a.example/\u202e",
        "https://a.example/ x",
        "https:///x",
        "https://[x/",
        "",
        None,
        7,
    ],
)
def test_pages_that_may_not(url):
    """What others can read, what starts programs, what a terminal obeys, what looks like another host."""
    assert not is_page(url)


@pytest.mark.parametrize(
    "url", ["llm.example.com", "llm.example.com:443", "ftp://a.example", "https://a@b.example", ""]
)
def test_a_base_url_that_none_could_match_is_refused(url):
    """It would deny every ask, and look right in the configuration."""
    with pytest.raises(ValueError, match="is not a base URL: write one"):
        check_base_urls(("https://llm.example.com/v1", url))


@pytest.mark.parametrize("url", ["https://a.example/v1/messages", "https://a.example/v1/messages/"])
def test_the_address_of_a_request_is_no_base_url(url):
    """The line says what to write instead."""
    with pytest.raises(ValueError, match=r'write "https://a\.example", the client adds'):
        check_base_urls((url,))


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example/v1/", "https://a.example"),
        ("https://a.example/team/v1", "https://a.example/team"),
        ("https://a.example/v12", "https://a.example/v12"),
    ],
)
def test_clients_of_the_messages_api_add_the_version_themselves(url, base):
    """Those of OpenAI's do not, so both are written."""
    assert messages_base(url) == base


def test_plain_base_urls_are_taken():
    """With a path, a port, and on this machine without TLS."""
    check_base_urls(("https://llm.example.com/v1", "http://127.0.0.1:8080"))


WRONG_PORTS = ("https://a.example:0", "https://a.example:00/x", "https://a.example:65536")


@pytest.mark.parametrize("url", WRONG_PORTS)
def test_s11_port_0_makes_a_bad_url_wherever_one_is_written(url):
    """One rule for all settings: it is no origin, and none that equals the one without a port."""
    federation = {
        "federation_rule_id": "fdrl_1",
        "organization_id": "00000000-0000-4000-8000-000000000000",
        "identity": "other",
    }
    for words, shape in (
        ({"issuer": url, "client_id": "c"}, OAuthSettings),
        ({"token_endpoint": url, "client_id": "c", "grant_type": "refresh_token"}, OAuthSettings),
        ({"address": url}, VaultSettings),
        ({"token_url": url} | federation, AnthropicSettings),
        (
            {"authority": url, "tenant": "contoso.com", "client_id": str(uuid4()), "scope": "s"},
            EntraSettings,
        ),
        ({"proxy": url}, NetworkSettings),
    ):
        with pytest.raises(msgspec.ValidationError, match=r" is .*URL"):
            msgspec.convert(words, shape)
        plain = {name: text.partition(":0")[0] for name, text in words.items() if text == url}
        if url == WRONG_PORTS[0]:
            msgspec.convert(words | plain, shape)

    assert origin_of(url) is None
    assert not is_page(url)
    with pytest.raises(ValueError, match="is not a base URL"):
        check_base_urls((url,))
