"""Settings of `gcp`."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.gcp import Settings
from credward.settings.meaning import meaning_of
from credward.settings.references import Reference, references_in

EXTERNAL = {
    "type": "external_account",
    "audience": "a",
    "credential_source": {"file": "/run/token"},
}
RULE = {
    "availableResource": "//storage.googleapis.com/projects/_/buckets/b",
    "availablePermissions": ["inRole:roles/storage.objectViewer"],
    "availabilityCondition": {"expression": "true"},
}
LOGIN = {"client_id": "c", "client_secret": {"store": "s"}}


@pytest.mark.parametrize(
    ("words", "origin"),
    [
        ({}, "adc"),
        ({"source": "adc"}, "adc"),
        ({"source": "metadata"}, "metadata"),
        ({"source": "metadata", "metadata_host": "127.0.0.1:8080"}, "metadata"),
        ({"source": "metadata", "metadata_host": "metadata.google.internal"}, "metadata"),
        ({"credentials_file": "~/key.json"}, "file"),
        ({"service_account_key": {"keychain": {"service": "s", "account": "a"}}}, "key"),
        ({"external_account": EXTERNAL}, "external_account"),
        (
            {"external_account": {"type": "external_account"}, "subject_token": {"env": "JWT"}},
            "external_account",
        ),
        (LOGIN, "login"),
        (LOGIN | {"token": "id", "account": "me@example.com"}, "login"),
        ({"impersonate_service_account": "a@p.iam", "delegates": ["b@p"], "lifetime": 600}, "adc"),
        ({"access_boundary": [RULE]}, "adc"),
        ({"token": "id", "audience": "https://run.example.com"}, "adc"),
        ({"project": "p", "region": "europe-west1", "quota_project": "q", "scopes": ["s"]}, "adc"),
    ],
)
def test_one_source(words, origin):
    """ADC where none is named; they survive the way to a worker."""
    settings = msgspec.convert(words, Settings)

    assert settings.origin == origin
    assert msgspec.convert(msgspec.to_builtins(settings), Settings) == settings


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"source": "adc", "credentials_file": "/k"}, "one source, not source and"),
        ({"credentials_file": "/k", **LOGIN}, "one source"),
        ({"source": "gcloud"}, "Invalid enum"),
        ({"credentials_file": "key.json"}, "absolute path"),
        ({"client_id": "c"}, "needs client_secret"),
        ({"client_secret": {"store": "s"}}, "set client_id"),
        ({"account": "me@example.com"}, "set client_id"),
        ({"metadata_host": "127.0.0.1"}, 'belongs to source = "metadata"'),
        ({"source": "metadata", "metadata_host": "evil.example.com"}, "on loopback"),
        ({"source": "metadata", "metadata_host": "127.0.0.1:x"}, "on loopback"),
        ({"source": "metadata", "metadata_host": "127.0.0.1:99999"}, "on loopback"),
        ({"source": "metadata", "metadata_host": "127.0.0.1@evil"}, "on loopback"),
        ({"source": "metadata", "metadata_host": "127.0.0.1/x"}, "on loopback"),
        ({"external_account": {"type": "service_account"}}, "type ="),
        ({"subject_token": {"env": "JWT"}}, "subject_token needs external_account"),
        ({"external_account": EXTERNAL, "subject_token": {"env": "JWT"}}, "keep one"),
        ({"external_account": {"type": "external_account"}, "subject_token": "eyJ"}, "written out"),
        ({"delegates": ["a@p"]}, "need impersonate_service_account"),
        ({"lifetime": 600}, "need impersonate_service_account"),
        ({"impersonate_service_account": "a/b"}, "named by its address"),
        ({"impersonate_service_account": "a", "delegates": [""]}, "named by its address"),
        ({"impersonate_service_account": "a", "lifetime": 43_201}, "<= 43200"),
        ({"scopes": ["a b"]}, "one per element"),
        ({"audience": "a"}, 'set token = "id"'),
        ({"token": "id"}, "needs audience"),
        ({"token": "id", "audience": "a", "access_boundary": [RULE]}, "is only for access tokens"),
        ({"access_boundary": [RULE] * 11}, "at most 10"),
        ({"access_boundary": [RULE | {"availablePermissions": ["roles/x"]}]}, "inRole:"),
        ({"access_boundary": [RULE | {"availablePermissions": []}]}, "inRole:"),
        ({"keyfile": "/k"}, "unknown field"),
    ],
)
def test_nonsense_is_refused(words, complaint):
    """With what to write."""
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(words, Settings)


@pytest.mark.parametrize(
    "words",
    [
        {"service_account_key": '{"private_key": "canary"}'},
        {"client_id": "c", "client_secret": "canary"},
        {"external_account": EXTERNAL | {"client_secret": "canary"}},
        {
            "external_account": EXTERNAL
            | {"credential_source": {"url": "u", "headers": {"Authorization": "canary"}}}
        },
    ],
)
def test_a_literal_secret_is_refused(words):
    """The message does not repeat it."""
    with pytest.raises(msgspec.ValidationError, match="written out") as caught:
        msgspec.convert(words, Settings)

    assert "canary" not in str(caught.value)


def test_only_a_login_has_a_grant():
    """Not rotating, shared by what agrees in client and account."""
    assert meaning_of(Settings()).grant == meaning_of(Settings(source="metadata")).grant
    assert meaning_of(Settings()).grant.logins == ()

    terms = meaning_of(Settings(client_id="c", client_secret=Reference(store="s"))).grant
    assert (terms.identity, terms.rotating) == (("client_id", "account"), False)
    assert terms.logins == ("browser",)


def test_references_are_found():
    """What only the daemon can read is handed over by it."""
    settings = msgspec.convert(LOGIN, Settings)

    assert references_in(settings) == {"client_secret": Reference(store="s")}
