"""As whom a token was minted: what changes the digest, and what does not."""

from __future__ import annotations

import msgspec
import pytest

from credward.config.model import Config, CredentialConfig
from credward.grants.grant_record import GrantRecord
from credward.grants.records import GrantRecords
from credward.minting.identity_stamp import identity_stamp
from credward.settings.oauth import Settings
from credward.settings.references import Reference
from unit.minting.test_persisted_tokens import DictStore

ISSUER = "https://login.example.com"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Bench:
    """`user` logs in; `service` proves itself by a stored secret, `job` by a token of `user`."""

    def __init__(self) -> None:
        self.records = GrantRecords(DictStore())
        self.environ = {"ASSERTION": "alice"}
        self.credentials = {
            name: credential(name, Settings(issuer=ISSUER, client_id="c", **words))
            for name, words in {
                "user": {},
                "service": {
                    "grant_type": "client_credentials",
                    "client_secret": Reference(store="word"),
                },
                "job": {"grant_type": JWT_BEARER, "assertion": Reference(credential="user")},
                "env": {"grant_type": JWT_BEARER, "assertion": Reference(env="ASSERTION")},
            }.items()
        }
        self.log_in(7)
        self.records.put_raw("secret:word", bytearray(b"open sesame"))

    def log_in(self, family: int) -> None:
        self.records.put(
            "user", GrantRecord(secret="s", provider="oauth", family=family, given_at=0.0)
        )

    def stamps(self) -> dict[str, str | None]:
        config = Config(credentials=self.credentials)
        return {
            name: identity_stamp(config, each, self.records, self.environ)
            for name, each in self.credentials.items()
        }


def credential(name: str, settings: Settings) -> CredentialConfig:
    return CredentialConfig(
        name=name, provider="oauth", settings=settings, epoch=f"{name}-1", grant=name
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("nothing", set()),
        ("rotation", set()),
        ("login", {"user", "job"}),
        ("secret", {"service"}),
        ("environment", {"env"}),
        ("settings", {"user", "job"}),
    ],
)
def test_a_digest_changes_with_what_is_behind_the_token(change: str, expected: set[str]) -> None:
    """A rotation leaves the user who logged in the same, another login does not."""
    bench = Bench()
    before = bench.stamps()
    match change:
        case "rotation":
            record = bench.records.load("user")
            assert record is not None
            bench.records.put(
                "user",
                GrantRecord(secret="t", provider="oauth", family=7, given_at=0.0, generation=1),
            )
        case "login":
            bench.log_in(8)
        case "secret":
            bench.records.put_raw("secret:word", bytearray(b"close sesame"))
        case "environment":
            bench.environ["ASSERTION"] = "bob"
        case "settings":
            bench.credentials["user"] = msgspec.structs.replace(
                bench.credentials["user"], epoch="user-2"
            )
        case _:
            pass
    after = bench.stamps()

    assert {name for name in before if before[name] != after[name]} == expected
    assert None not in after.values()


@pytest.mark.parametrize("gone", ["grant", "secret", "credential"])
def test_there_is_none_without_what_is_behind_it(gone: str) -> None:
    """Logged out, removed from the store, not configured any more."""
    bench = Bench()
    assert None not in bench.stamps().values()
    match gone:
        case "grant":
            bench.records.delete("user")
            assert (bench.stamps()["user"], bench.stamps()["job"]) == (None, None)
        case "secret":
            bench.records.delete_raw("secret:word")
            assert bench.stamps()["service"] is None
        case _:
            del bench.credentials["user"]
            assert bench.stamps()["job"] is None
