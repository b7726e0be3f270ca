"""The words for what is between a caller and its server."""

import pytest

from credward.settings.client_flags import (
    allows,
    authority_word,
    check_words,
    proxy_address,
    proxy_word,
)

DIGEST = "0a" * 32


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://proxy.corp:3128", "proxy=proxy.corp:3128"),
        ("http://user:pass%40word@Proxy.Corp:3128/", "proxy=proxy.corp:3128"),
        ("HTTPS://proxy.corp", "proxy=proxy.corp:443"),
        ("socks5h://proxy.corp", "proxy=proxy.corp:1080"),
        ("proxy.corp:8080", "proxy=proxy.corp:8080"),
        ("http://[2001:DB8::1]", "proxy=[2001:db8::1]:80"),
        ("proxy.corp", "proxy"),
        ("odd://proxy.corp", "proxy"),
        ("http://proxy.corp:0", "proxy"),
        ("http://proxy.corp:65536", "proxy"),
        ("http://proxy.corp:3128/path", "proxy"),
        ("http://evil:3128/@proxy.corp:3128", "proxy"),
        ("http://evil:3128#@proxy.corp:3128", "proxy"),
        ("http://evil:3128\\@proxy.corp:3128", "proxy"),
        ("http://a@evil@proxy.corp:3128", "proxy"),
        ("ht\ttp://proxy.corp:3128", "proxy"),
        ("http://pr\u00f6xy.corp:3128", "proxy"),
        ("http://proxy.corp:3128\n", "proxy"),
        ("http://proxy.corp:\u0663", "proxy"),
        ("", "proxy"),
    ],
)
def test_s2_a_proxy_is_known_by_host_and_port(url: str, word: str) -> None:
    """In one spelling; what some program could read differently is any proxy."""
    assert proxy_word(proxy_address(url)) == word


def test_a_word_covers_itself_and_a_kind_all_of_it() -> None:
    """Never another one, and no kind by one of its words."""
    assert allows(("proxy=p:1", authority_word(DIGEST)), "proxy=p:1")
    assert allows(("proxy",), "proxy=p:1")
    assert not allows(("proxy=p:1",), "proxy=p:2")
    assert not allows(("proxy=p:1",), "proxy")
    assert not allows(("proxy",), authority_word(DIGEST))


def test_the_words_of_a_configuration_are_those_that_callers_report() -> None:
    """A word that no caller can report would allow nothing, without telling anyone."""
    check_words(["proxy", "tls-off", "extra-ca", "proxy=p.corp:3128", f"extra-ca=sha256:{DIGEST}"])


@pytest.mark.parametrize(
    "word",
    [
        *("Proxy", "proxy=", "proxy=P:1", "proxy=p", "proxy=http://p:1", "proxy=p:0", "tls-off=1"),
        *("extra-ca=", "extra-ca=/etc/corp.pem", f"extra-ca={DIGEST}", "ca", ""),
    ],
)
def test_other_words_are_refused(word: str) -> None:
    """With how to write them."""
    with pytest.raises(ValueError, match=r"allow_client_flags is unknown: write \"proxy=HOST:PORT"):
        check_words([word])
