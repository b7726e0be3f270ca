"""Endpoints and metadata."""

from __future__ import annotations

import json

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.providers.oauth.server import check_server, find_server
from credward.providers.provider import HttpResponse, ProviderRequest
from credward.settings.oauth import Settings
from fakes.io import FakeIo

SERVER = "https://login.example.com"
ISSUER = f"{SERVER}/tenant"
METADATA = {
    "issuer": ISSUER,
    "token_endpoint": "https://login.example.com/t",
    "authorization_endpoint": "https://login.example.com/a",
}


def find(metadata=METADATA, *wanted, status=200, at=None, body=None, by=find_server, **words):
    """Look the server up; return it with the URLs that were asked for."""

    def answer(request):
        if at is not None and request.url != at:
            return HttpResponse(status=404, headers={}, body=b"")
        return HttpResponse(
            status=status,
            headers={"content-type": "application/json"},
            body=json.dumps(metadata).encode() if body is None else body,
        )

    io = FakeIo(server=answer)
    settings = msgspec.convert({"issuer": ISSUER, "client_id": "c"} | words, Settings)
    request = ProviderRequest(credential="gateway", settings=settings)
    try:
        return by(request, io, *wanted or ("token_endpoint",)), io
    finally:
        assert all(each.method == "GET" and not each.body for each in io.requests)


def test_metadata_of_openid_connect():
    """Below the issuer."""
    server, io = find()

    assert server.token_endpoint == "https://login.example.com/t"
    assert [each.url for each in io.requests] == [f"{ISSUER}/.well-known/openid-configuration"]
    assert not server.names_itself


def test_metadata_of_rfc_8414():
    """Between host and path, where there is none of the other."""
    at = "https://login.example.com/.well-known/oauth-authorization-server/tenant"
    server, io = find(at=at)

    assert server.token_endpoint == "https://login.example.com/t"
    assert len(io.requests) == 2


def test_a_slash_at_the_end():
    """Is not doubled, and belongs to the issuer all the same."""
    server, io = find(METADATA | {"issuer": f"{ISSUER}/"}, issuer=f"{ISSUER}/")

    assert io.requests[0].url == f"{ISSUER}/.well-known/openid-configuration"
    assert server.issuer == f"{ISSUER}/"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://evil.example.com",
        f"{SERVER}.evil.example.com",
        f"{SERVER}@evil.example.com",
        f"{SERVER}:8443/evil",
        f"{ISSUER}/evil\n",
        f"{ISSUER}/evil;rm -rf",
        f"{ISSUER}/" + "evil" * 99,
        SERVER.replace("https", "http") + "/evil",
        None,
        5,
    ],
)
def test_another_issuer_is_refused(issuer):
    """RFC 8414 section 3.3; and what a stranger calls itself is not repeated."""
    with pytest.raises(
        BrokerError, match="another issuer in its metadata: set issuer to its own server"
    ) as caught:
        find(METADATA | {"issuer": issuer})

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert "evil" not in caught.value.message


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (ISSUER, f"{ISSUER}/"),
        (f"{ISSUER}/", ISSUER),
        (ISSUER, SERVER),
        (ISSUER, f"{SERVER}/realms/a-1"),
    ],
)
def test_the_issuer_to_set_is_shown_if_it_is_of_the_same_server(typed, named):
    """Most have typed a last slash too many, or left it out."""
    with pytest.raises(BrokerError) as caught:
        find(METADATA | {"issuer": named}, issuer=typed)

    assert caught.value.message.endswith(
        f'names another issuer in its metadata: set issuer = "{named}" (credward config edit)'
    )


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"", Kind.PROVIDER_REFUSED),
        (200, b"<html>", Kind.PROVIDER_REFUSED),
        (200, b"", Kind.PROVIDER_REFUSED),
        (302, b"", Kind.PROVIDER_REFUSED),
        (403, b"", Kind.PROVIDER_REFUSED),
        (429, b"", Kind.RATE_LIMITED),
        (500, b"", Kind.PROVIDER_UNREACHABLE),
    ],
)
def test_t15_no_failure_here_used_a_grant(status, body, kind):
    """Whatever stands in the server's place."""
    with pytest.raises(BrokerError) as caught:
        find(status=status, body=body)

    assert (caught.value.kind, caught.value.failure.sent) == (kind, "no")


def test_an_issuer_without_metadata_is_named_in_full():
    """With port and path, and the command that corrects it."""
    issuer = "https://login.example.com:8443/tennant"
    with pytest.raises(BrokerError) as caught:
        find(status=404, issuer=issuer)

    assert caught.value.message.endswith(
        f" got no token, {issuer} publishes no metadata: "
        "correct issuer, or set token_endpoint (credward config edit)"
    )


def test_named_endpoints_need_no_metadata():
    """And go before those of the metadata."""
    server, io = find(token_endpoint="https://x.example/t")
    assert (server.token_endpoint, server.issuer, io.requests) == (
        "https://x.example/t",
        ISSUER,
        [],
    )
    server, io = find(
        METADATA,
        "token_endpoint",
        "authorization_endpoint",
        token_endpoint="https://x.example/t",
    )
    assert server.token_endpoint == "https://x.example/t"
    assert server.authorization_endpoint == "https://login.example.com/a"


def test_an_endpoint_that_is_missing():
    """With the key that would name it."""
    server, _ = find()

    with pytest.raises(BrokerError, match="set device_authorization_endpoint") as caught:
        server.endpoint("device_authorization_endpoint", "gateway")
    assert caught.value.kind is Kind.FIX_CONFIGURATION


@pytest.mark.parametrize(
    "url",
    ["http://login.example.com/t", "http://127.0.0.1/t", "ftp://x/t", "", 5, "https:///t",
     "https://a b/t", "https://a\n/t", 'https://x"y/t', "https://u:p@h/t", "https://[::/t"],
)  # fmt: skip
def test_an_endpoint_that_is_no_https_url_is_none(url):
    """A secret would go there, and its host into messages."""
    assert find(METADATA | {"token_endpoint": url})[0].token_endpoint is None


def test_loopback_speaks_plainly():
    """Where the issuer does."""
    issuer = "http://127.0.0.1:9"
    url = "http://127.0.0.1:9/t"

    server, _ = find({"issuer": issuer, "token_endpoint": url}, issuer=issuer)

    assert server.token_endpoint == url


def test_what_else_is_known():
    """How it wants secrets, what it verifies, whether it names itself, where certificates go."""
    server, _ = find(
        METADATA
        | {
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "token_endpoint_auth_signing_alg_values_supported": ["PS256"],
            "authorization_response_iss_parameter_supported": True,
            "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.example.com/t"},
        },
        client_certificate="/c",
        client_key="/k",
    )

    assert server.auth_methods == ("client_secret_post",)
    assert server.signing_algorithms == ("PS256",)
    assert server.names_itself
    assert server.token_endpoint == "https://mtls.example.com/t"


def test_n10_hosts_that_only_metadata_names_are_told_apart():
    """What the human wrote may lie in a private network; what a server says may not."""
    elsewhere = {**METADATA, "token_endpoint": "https://10.0.0.7/t"}
    server = find(elsewhere, "token_endpoint", device_authorization_endpoint="https://d.corp/d")[0]

    assert server.is_learned("https://10.0.0.7/t")
    assert not server.is_learned("https://login.example.com/a")
    assert not server.is_learned("https://d.corp/other")


def check(metadata=METADATA, **words):
    """Have it checked before the first login; return what was asked for."""
    return find(metadata, by=lambda request, io, _: check_server(request, io), **words)[1].requests


@pytest.mark.parametrize("ways", [("authorization_endpoint",), ("device_authorization_endpoint",)])
def test_a_server_with_one_way_to_log_in_is_good(ways):
    """The other one is for another person."""
    endpoints = dict.fromkeys(ways, "https://login.example.com/x")
    metadata = {"issuer": ISSUER, "token_endpoint": "https://login.example.com/t", **endpoints}

    assert len(check(metadata)) == 1


@pytest.mark.parametrize("without", ["authorization_endpoint", "token_endpoint"])
def test_a_server_on_which_nobody_can_log_in_is_refused(without):
    """Known before anybody tries; another server gives the same line as to a login."""
    metadata = {name: value for name, value in METADATA.items() if name != without}
    with pytest.raises(BrokerError, match="a server on which nobody can log in") as caught:
        check(metadata)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    with pytest.raises(BrokerError, match="publishes no metadata"):
        check(status=404)
    with pytest.raises(BrokerError, match="names another issuer"):
        check(METADATA | {"issuer": "https://evil.example.com"})


def test_endpoints_that_the_settings_name_are_not_looked_up():
    """A server without metadata; nor where nobody logs in."""
    urls = {name: url for name, url in METADATA.items() if name != "issuer"}

    assert check(status=404, **urls) == []
    assert check(status=404, grant_type="refresh_token") == []
