"""The table `[network]`."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.network import NetworkSettings


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"proxy": "proxy.example.com:3128"}, "proxy is a URL"),
        ({"proxy": "http://me:word@proxy.example.com"}, "name or password"),
        ({"ca": "ca.pem"}, "absolute path"),
        ({"prox": "x"}, "unknown field"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, complaint):
    """Each with what to write instead."""
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(words, NetworkSettings)


def test_hosts_are_left_out_by_whole_labels():
    """`example.com` is not the end of `badexample.com`."""
    network = NetworkSettings(proxy="http://proxy:3128", no_proxy=("example.com", ".corp"))

    assert network.bypasses("example.com")
    assert network.bypasses("login.EXAMPLE.com")
    assert network.bypasses("idp.corp")
    assert not network.bypasses("badexample.com")


def test_hosts_that_may_be_private_are_named_alike():
    """The same suffixes, for another question."""
    network = NetworkSettings(private_hosts=(".corp.example",))

    assert network.may_be_private("idp.corp.example")
    assert not network.may_be_private("idp.example")
