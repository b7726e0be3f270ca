"""Who depends on what, through any number of others."""

from __future__ import annotations

import msgspec

from credward.config import Config, CredentialConfig
from credward.config.sources import (
    files_behind,
    kept_elsewhere,
    login_behind,
    logins_behind,
    names_on,
    sources,
    users,
    with_sources,
)
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.references import Reference


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Of a provider that presents up to two secrets, and may be logged in."""

    one: Reference | None = None
    other: Reference | None = None
    login: bool = False
    files: tuple[str, ...] = ()
    kept_by: str = ""

    @property
    def meaning(self) -> Meaning:
        logins = GrantTerms(logins=("browser",) if self.login else ())
        return Meaning(grant=logins, files=self.files, kept_by=self.kept_by)


def credential(name: str, *of: Reference, grant: str = "", **words: object) -> CredentialConfig:
    one, other = (*of, None, None)[:2]
    return CredentialConfig(
        name=name,
        provider="oauth",
        settings=Settings(one=one, other=other, **words),  # type: ignore[arg-type]
        epoch=f"epoch of {name}",
        grant=grant or name,
    )


def token_of(name: str) -> Reference:
    return Reference(credential=name)


# A login, what is minted from it, what is minted from that, and beside them what needs no login.
CONFIG = Config(
    credentials={
        each.name: each
        for each in (
            credential("cli", Reference(store="client"), login=True, grant="sso"),
            credential("cli2", login=True, grant="sso"),
            credential("exchange", token_of("cli"), Reference(file="/key"), files=("~/cert",)),
            credential("api", token_of("exchange"), token_of("plain")),
            credential("plain", Reference(store="other"), Reference(file="/key")),
        )
    }
)


def names(found: list[CredentialConfig]) -> list[str]:
    return [each.name for each in found]


def test_g2_a_chain_is_followed_to_its_end() -> None:
    """Each once, in the same order each time."""
    api = CONFIG.credentials["api"]

    assert names(sources(CONFIG.credentials, api)) == ["api", "exchange", "plain", "cli"]
    assert names(sources(CONFIG.credentials, CONFIG.credentials["cli"])) == ["cli"]


def test_g2_users_of_a_login_of_a_credential_and_of_a_secret() -> None:
    """Direct ones, and those that they serve."""
    assert names_on(CONFIG, "sso") == ("cli", "cli2")
    assert names(users(CONFIG, credentials=("cli", "cli2"))) == ["exchange", "api"]
    assert names(users(CONFIG, credentials=("plain",))) == ["api"]
    assert names(users(CONFIG, secret="client")) == ["cli", "exchange", "api"]
    assert names(users(CONFIG, secret="other")) == ["api", "plain"]
    assert users(CONFIG, secret="nobody's") == users(CONFIG) == []


def test_g2_the_login_that_helps_is_the_one_at_the_end() -> None:
    """None where nobody logs in here."""
    behind = login_behind(CONFIG, CONFIG.credentials["api"])

    assert behind is not None
    assert behind.name == "cli"
    assert login_behind(CONFIG, CONFIG.credentials["plain"]) is None


def test_g2_files_of_the_sources_count_too() -> None:
    """Each once."""
    assert files_behind(CONFIG, CONFIG.credentials["api"]) == ("/key", "~/cert")
    assert files_behind(CONFIG, CONFIG.credentials["cli"]) == ()


def test_g2_a_changed_source_makes_another_credential_of_its_users() -> None:
    """By reload: what failed with the old one is forgotten; one without sources stays as it was."""
    before = with_sources(CONFIG.credentials)
    cli = msgspec.structs.replace(CONFIG.credentials["cli"], epoch="another")
    after = with_sources({**CONFIG.credentials, "cli": cli})

    differ = {name for name in before if before[name].epoch != after[name].epoch}
    assert differ == {"cli", "exchange", "api"}
    assert before["plain"].epoch == "epoch of plain"
    assert with_sources(CONFIG.credentials) == before


def test_a_circle_ends() -> None:
    """It is refused elsewhere, by whoever looks at it first."""
    circle = {"a": credential("a", token_of("b")), "b": credential("b", token_of("a"))}

    assert names(sources(circle, circle["a"])) == ["a", "b"]


def test_all_logins_behind_are_found_also_those_of_what_replaces_it() -> None:
    """Each grant once; a login that others keep is named by who keeps it."""
    api = msgspec.structs.replace(CONFIG.credentials["api"], fallback=("spare",))
    spare = credential("spare", token_of("spare2"), kept_by="az")
    spare2 = credential("spare2", Reference(command=("op", "read", "x")), login=True, grant="two")
    config = Config(
        credentials={**CONFIG.credentials, "api": api, "spare": spare, "spare2": spare2}
    )

    assert logins_behind(config, api) == ("sso", "two")
    assert kept_elsewhere(config, api) == ("az", "op")
    assert logins_behind(config, config.credentials["plain"]) == ()
    assert kept_elsewhere(config, config.credentials["cli"]) == ()
