"""What a worker sees of the daemon's environment."""

from __future__ import annotations

import pytest

from credward.settings.registry import OWN_KINDS, SETTINGS
from credward.workers.environment import RULES, build_environment, rules_of

DAEMON = {
    "HOME": "/home/me",
    "USER": "me",
    "PATH": "/home/me/evil",
    "LANG": "de_DE.UTF-8",
    "XDG_RUNTIME_DIR": "/run/user/1000",
    "GATEWAY_KEY": "secret",
    "ANTHROPIC_API_KEY": "secret",
    "LD_PRELOAD": "/evil.so",
    "PYTHONPATH": "/evil",
    "HTTPS_PROXY": "http://evil",
    "SSL_CERT_FILE": "/evil.pem",
    "CREDWARD_SOCKET": "/run/me.sock",
    "CREDWARD_TOKEN_FILE": "/run/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1/",
    "GCE_METADATA_HOST": "127.0.0.1",
    "IDENTITY_ENDPOINT": "http://127.0.0.1/",
    "MSI_SECRET": "secret",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1/",
}
EVERYWHERE = {"LANG", "PATH", "CREDWARD_WORKER"}


def test_there_are_rules_for_every_provider_of_ours():
    """The table is whole."""
    assert {*SETTINGS, *OWN_KINDS} <= set(RULES)


@pytest.mark.parametrize("provider", ["command", "static", "keychain"])
def test_programs_get_a_real_home(provider):
    """Vendors' tools keep their logins there; nothing else comes along."""
    environ = build_environment(provider, DAEMON)

    assert {"HOME", "USER", "XDG_RUNTIME_DIR", *EVERYWHERE} == set(environ)
    assert environ["HOME"] == "/home/me"


def test_gcloud_may_keep_its_login_elsewhere():
    """Where Google's own variables say; the metadata server is none of them."""
    named = {"GOOGLE_APPLICATION_CREDENTIALS": "/k", "CLOUDSDK_CONFIG": "/c"}
    environ = build_environment("gcp", DAEMON | named | {"GOOGLE_CLOUD_PROJECT": "p"})

    assert {"HOME", "USER", "XDG_RUNTIME_DIR", *named, *EVERYWHERE} == set(environ)


def test_vault_may_be_named_by_its_own_variables():
    """Where it is and in which namespace; a token in a variable stays where it is."""
    named = {"VAULT_ADDR": "https://v", "BAO_NAMESPACE": "n"}
    environ = build_environment("vault", DAEMON | named | {"VAULT_TOKEN": "secret"})

    assert {"HOME", "USER", "XDG_RUNTIME_DIR", *named, *EVERYWHERE} == set(environ)


@pytest.mark.parametrize("provider", ["local", "nosuch"])
def test_others_get_no_home(provider):
    """An SDK that looks around finds nothing; a plug-in is trusted with nothing."""
    environ = build_environment(provider, DAEMON)

    assert {"HOME", "AWS_EC2_METADATA_DISABLED", *EVERYWHERE} == set(environ)
    assert environ["HOME"] == "/nonexistent"


def test_entra_gets_what_its_ways_need():
    """HOME for az, the variables of the job and of the platform; no door of another cloud."""
    github = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "y"}
    azure = {"AZURE_CONFIG_DIR": "/home/me/az", "AZURE_CLIENT_SECRET": "secret"}
    environ = build_environment("entra", DAEMON | github | azure)

    assert set(environ) == {
        "HOME", "USER", "XDG_RUNTIME_DIR", "AZURE_CONFIG_DIR", "IDENTITY_ENDPOINT", "MSI_SECRET",
        *github, *EVERYWHERE,
    }  # fmt: skip


def test_an_exchange_that_rotates_outlives_the_daemon():
    """Or the new refresh token would be lost with it."""
    assert not rules_of("entra").dies_with_daemon


@pytest.mark.parametrize("provider", [*(name for name in RULES if name != "entra"), "nosuch"])
def test_every_worker_is_marked_and_has_a_fixed_path(provider):
    """The mark is what helper and command line refuse on (`recursion`)."""
    environ = build_environment(provider, DAEMON)

    assert environ["CREDWARD_WORKER"] == "1"
    assert "/usr/bin" in environ["PATH"].split(":")
    assert "evil" not in "".join(environ.values())
    assert "secret" not in environ.values()
    assert "127.0.0.1" not in "".join(environ.values())


def test_programs_may_be_many():
    """One hung program more than workers is one wait more."""
    assert (rules_of("command").size, rules_of("local").size) == (8, 2)
