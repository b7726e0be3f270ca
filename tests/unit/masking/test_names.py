"""Names of secrets, names that only speak of them, and the members of a reference."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import msgspec
import pytest

import credward.settings
from credward.config.sections import StoreSection
from credward.masking.names import CHOICES, REFERENCES, is_count_name, is_error_name, is_secret_name
from credward.settings.references import Keychain, Reference


@pytest.mark.parametrize(
    "name",
    [
        "client_secret",
        "api_key",
        "OPENAI_API_KEY",
        "passwd",
        "db_pw",
        "apikey",
        "x-api-key",
        "private-key",
        "DB_PASS",
        "PGPASSWORD",
        "AccountKey",
        "clientSecret",
        "sig",
        "accessToken",
        "Set-Cookie",
        "SharedAccessSignature",
        "MYSQL_PWD",
        "basic.auth",
        "sessionId",
        "CREDENTIALS_JSON",
        "PASSWORD_DB",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    """In the words of configurations, however they are written together."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "provider",
        "issuer",
        "lifetime",
        "apiKeyHelper",
        "token_url",
        "token_file",
        "API_KEY_HELPER_TTL_MS",
        "keyring",
        "region",
        "token_type",
        "credential_process",
        "monitor",
        "author",
        "pinned",
        "",
        "--",
        "signal",
        "credentials.json",
        "token_endpoint_auth_method",
        "auth_mount",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ],
)
def test_names_beside_a_secret_are_none(name: str) -> None:
    """Where it is, how long it counts, what went wrong with it."""
    assert not is_secret_name(name)


def test_the_name_of_an_error_is_known() -> None:
    """What follows it is a sentence."""
    assert is_error_name("InvalidClientTokenId")
    assert is_error_name("invalid_token")
    assert not is_error_name("refresh_token")


def test_a_number_of_tokens_is_no_token() -> None:
    """Of a model's answer."""
    assert is_count_name("MAX_THINKING_TOKENS")
    assert not is_count_name("refresh_token")


def test_every_member_of_a_reference_is_known() -> None:
    """A new way to name a secret must stay readable in an excerpt."""
    assert {*Reference.__struct_fields__, *Keychain.__struct_fields__} <= REFERENCES


def words(struct: type[msgspec.Struct]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the settings with names of secrets whose values are words of ours."""
    for field in msgspec.structs.fields(struct):
        choices = msgspec.inspect.type_info(field.type)
        each = choices.types if isinstance(choices, msgspec.inspect.UnionType) else (choices,)
        for one in each:
            if isinstance(one, msgspec.inspect.LiteralType) and is_secret_name(field.name):
                yield field.name, frozenset(map(str, one.values))


def test_the_kinds_of_our_secrets_are_known() -> None:
    """An excerpt with `key = "keychain"` must show it; each provider has a file of settings."""
    files = [
        importlib.import_module(f"credward.settings.{each.name}")
        for each in pkgutil.iter_modules(credward.settings.__path__)
    ]
    structs = [StoreSection] + [
        each
        for file in files
        for each in vars(file).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    ]
    found = {pair for struct in structs for pair in words(struct)}

    assert found == set(CHOICES.items())
