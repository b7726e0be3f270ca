"""Single words of the settings of `oauth`."""

from __future__ import annotations

import pytest

from credward.settings.oauth_words import check_endpoint, check_parameters, check_ports


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "https://a.example:8443/tid/v2.0",
        "http://127.0.0.1:1",
        "http://[::1]:1/",
    ],
)
def test_https_and_loopback(url):
    """Secrets go there."""
    check_endpoint("issuer", url)


@pytest.mark.parametrize(
    "url",
    [
        "", "a.example", "ftp://a.example", "http://a.example", "http://10.0.0.1", "https://a:x/",
        "https://u:p@a.example", "https://a.example/#f", "https://a.example/?q", "https://a:0/",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url):
    """Plain text, passwords, what is no address."""
    with pytest.raises(ValueError, match="issuer"):
        check_endpoint("issuer", url)


def test_an_endpoint_may_have_a_query():
    """Some vendors tell tenants apart by it."""
    check_endpoint("token_endpoint", "https://a.example/token?tenant=1")


def test_parameters_of_the_login_itself():
    """They would undo PKCE, state or nonce."""
    check_parameters({"access_type": "offline", "prompt": "login"})
    for name in ("state", "nonce", "code_challenge", "redirect_uri", "client_id", "scope"):
        with pytest.raises(ValueError, match=name):
            check_parameters({name: "x"})


def test_ports():
    """0 is any."""
    check_ports((0, 8400, 65_535))
    for ports in ((), (-1,), (65_536,)):
        with pytest.raises(ValueError, match="redirect_ports"):
            check_ports(ports)
