"""Settings of `vault`: each way to log in has its own words, and no others."""

from __future__ import annotations

import msgspec
import pytest

from credward.config.grants import grant_name
from credward.settings.meaning import meaning_of
from credward.settings.references import Reference, references_in
from credward.settings.vault import Settings

KEY = {"env": "KEY"}
METHODS = {
    "token": {},
    "approle": {"role_id": "r"},
    "kubernetes": {"role": "r"},
    "jwt": {"jwt": KEY},
    "oidc": {},
    "userpass": {"username": "u", "password": KEY},
    "ldap": {"username": "u", "password": KEY},
    "cert": {"client_cert": "/c", "client_key": "/k"},
    "aws": {"aws_credentials": "bedrock"},
    "gcp": {"role": "r", "jwt": KEY},
    "azure": {"role": "r", "jwt": KEY},
}


def convert(**words):
    return msgspec.convert(words, Settings)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_the_words_that_it_needs(method):
    """What is written out for a worker reads the same; without one of them nothing is read."""
    settings = convert(auth_method=method, path="secret/llm", **METHODS[method])

    assert convert(**msgspec.to_builtins(settings)) == settings
    assert settings.mount == method
    for missing in METHODS[method]:
        words = {name: value for name, value in METHODS[method].items() if name != missing}
        with pytest.raises(msgspec.ValidationError, match=f"needs {missing}"):
            convert(auth_method=method, **words)


def test_a_bare_name_is_another_credential():
    """Where a token of one is presented."""
    settings = convert(auth_method="jwt", jwt="github", auth_mount="gh/")

    assert references_in(settings) == {"jwt": Reference(credential="github")}
    assert settings.mount == "gh"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"auth_method": "magic"}, "magic"),
        ({"auth_method": "approle", "role_id": "r", "jwt": KEY}, "jwt is not for auth_method"),
        ({"role_id": "r"}, 'role_id is not for auth_method = "token"'),
        ({"auth_method": "approle", "role_id": "r", "token": KEY}, "token is not for"),
        ({"auth_method": "approle", "role_id": "r", "oidc_port": 1}, "oidc_port is not for"),
        ({"auth_method": "approle", "role_id": "r", "secret_id_wrapped": True}, "needs secret_id"),
        ({"token": "hvs.canary"}, "written out"),
        ({"auth_method": "approle", "role_id": "r", "secret_id": "canary"}, "written out"),
        ({"auth_method": "jwt", "jwt": "/path/canary"}, "name of another credential"),
        ({"address": "vault.example.com:8200"}, "is a URL"),
        ({"address": "http://vault.example.com:8200"}, "address is an https"),
        ({"field": "x"}, "field needs path"),
        ({"data": {"a": 1}}, "data needs path"),
        ({"path": "a", "data": {"a": 1}, "kv_version": 2}, "data is for engines"),
        ({"path": "secret/../sys"}, "is a path"),
        ({"path": "secret//x"}, "is a path"),
        ({"path": "x?y"}, "is a path"),
        ({"path": "other/x", "mount_point": "secret"}, "begins with its mount_point"),
        ({"path": "x", "kv_version": 3}, "kv_version"),
        ({"revoke_on_drop": True}, "revoke_on_drop is for leases and logins"),
        ({"path": "x", "kv_version": 1, "revoke_on_drop": True}, "revoke_on_drop is for leases"),
        ({"path": "x", "refresh_interval": -1}, "refresh_interval"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(words, complaint):
    """And without the secret that was written out."""
    with pytest.raises(msgspec.ValidationError, match=complaint) as caught:
        convert(**words)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "rotating", "logins"),
    [
        ({}, False, ()),
        ({"path": "secret/x", "kv_version": 2}, False, ()),
        ({"path": "database/creds/x"}, True, ()),
        ({"auth_method": "kubernetes", "role": "r"}, True, ()),
        ({"auth_method": "oidc"}, True, ("browser",)),
    ],
)
def test_a_grant_is_kept_where_there_is_something_to_keep(words, rotating, logins):
    """A login of ours, or leases; a human gives it for oidc alone."""
    terms = meaning_of(convert(**words)).grant

    assert (terms.rotating, terms.logins) == (rotating, logins)
    assert not terms.revoke_on_drop
    assert not rotating or meaning_of(convert(**words, revoke_on_drop=True)).grant.revoke_on_drop
    assert set(terms.identity) <= set(Settings.__struct_fields__)


def test_credentials_share_a_login_only_where_it_is_the_same():
    """Whatever they read; another role, address or place of the secret is another login."""
    words = {"address": "https://v", "auth_method": "approle", "role_id": "r", "secret_id": KEY}
    same = convert(**words, path="secret/one")
    others = [
        words | {"role_id": "other"},
        words | {"address": "https://w"},
        words | {"secret_id": {"env": "OTHER"}},
        words | {"namespace": "n"},
    ]

    assert grant_name("a", "vault", same) == grant_name("b", "vault", convert(**words))
    names = {grant_name("a", "vault", convert(**each)) for each in [words, *others]}
    assert len(names) == 5
