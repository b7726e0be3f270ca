"""Which credentials share a grant, and with which words it is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from credward.config import CredentialConfig
from credward.config.grants import (
    check_references,
    check_shared,
    grant_name,
    read_grants,
    with_grant,
)
from credward.config.layers import Complaints, Layer
from credward.config.locate import Locator
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.references import Reference


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Of a provider whose grant is made by issuer and account, and shown to the issuer."""

    issuer: str = "https://idp.example"
    account: str = "alice"
    scope: str = "a"
    secret: Reference | None = None
    login: bool = True

    @property
    def meaning(self) -> Meaning:
        if not self.login:
            return Meaning(grant=GrantTerms())
        return Meaning(
            grant=GrantTerms(
                identity=("issuer", "account"),
                presented=("issuer",),
                rotating=True,
                logins=("device",),
            )
        )


def credential(
    name: str, *, grant: str = "team", provider: str = "oauth", **words: object
) -> CredentialConfig:
    return CredentialConfig(
        name=name,
        provider=provider,
        settings=Settings(**words),  # type: ignore[arg-type]
        epoch="e",
        grant=grant,
        origin=f"config.toml:{name}",
    )


def layer(path: str, **data: object) -> Layer:
    text = "".join(f"[grants.{name}]\n" for name in data)
    return Layer(path=Path(path), system=False, data={"grants": data}, locator=Locator(text))


def test_credentials_that_agree_in_what_makes_a_grant_share_it() -> None:
    """Whatever else they say; the name tells the provider and no value."""
    name = grant_name("one", "oauth", Settings())

    assert name == grant_name("two", "oauth", Settings(scope="b"))
    assert name.startswith("oauth-")
    assert "alice" not in name


@pytest.mark.parametrize(
    ("provider", "settings"),
    [
        ("entra", Settings()),
        ("oauth", Settings(account="bob")),
        ("oauth", Settings(issuer="https://other.example")),
        # The same characters, divided otherwise.
        ("oauth", Settings(issuer="https://idp.examplealice", account="")),
    ],
)
def test_those_that_do_not_agree_have_grants_of_their_own(
    provider: str, settings: Settings
) -> None:
    """Another provider, account or issuer."""
    assert grant_name("one", provider, settings) != grant_name("one", "oauth", Settings())


def test_without_an_identity_it_is_the_credentials_own() -> None:
    """Nothing says that two are the same."""
    assert grant_name("one", "oauth", Settings(login=False)) == "one"


def test_tables_of_all_layers_count_and_none_twice() -> None:
    """The first one stays; the complaint names both places."""
    complaints = Complaints()
    found = read_grants(
        [
            layer("a.toml", team={"issuer": "x"}, other={}),
            layer("b.toml", team={"issuer": "y"}),
            layer("c.toml", bad="words"),
            Layer(path=Path("d.toml"), system=False, data={"grants": 3}, locator=Locator("")),
            Layer(path=Path("e.toml"), system=False, data={}, locator=Locator("")),
        ],
        complaints,
    )

    assert {name: dict(each.words) for name, each in found.items()} == {
        "team": {"issuer": "x"},
        "other": {},
    }
    assert complaints.errors == [
        'b.toml:1: grant "team" is defined by a.toml:1',
        "c.toml:1: grants.bad is a table",
        "d.toml:1: grants is a table",
    ]


def test_a_credential_has_the_words_of_its_grant() -> None:
    """Its own beside them; one that says the same twice says it."""
    complaints = Complaints()
    tables = [layer("a.toml", team={"issuer": "x", "account": "alice"})]
    grants = read_grants(tables, complaints)
    words = {"grant": "team", "issuer": "x", "scope": "a"}
    found = with_grant(tables[0], ("credentials", "one"), words, grants, complaints)

    assert found == {"grant": "team", "issuer": "x", "account": "alice", "scope": "a"}
    assert complaints.errors == []


def test_a_word_that_contradicts_the_grant_is_refused() -> None:
    """Else the grant would be shown to whom the credential names."""
    complaints = Complaints()
    tables = [layer("a.toml", team={"issuer": "x"})]
    grants = read_grants(tables, complaints)
    with_grant(
        tables[0], ("credentials", "one"), {"grant": "team", "issuer": "y"}, grants, complaints
    )

    assert len(complaints.errors) == 1
    assert "issuer has another value in its grant at a.toml:1" in complaints.errors[0]


@pytest.mark.parametrize("name", [None, "nobody", 3, ["team"]])
def test_a_name_without_a_table_is_just_a_name(name: object) -> None:
    """Of whatever type: that is somebody else's complaint."""
    complaints = Complaints()
    tables = [layer("a.toml", team={"issuer": "x"})]
    grants = read_grants(tables, complaints)
    words = {"grant": name}

    assert with_grant(tables[0], ("credentials", "one"), words, grants, complaints) == words
    assert complaints.errors == []


def shared(*credentials: CredentialConfig) -> list[str]:
    complaints = Complaints()
    check_shared({each.name: each for each in credentials}, complaints)
    return complaints.errors


def test_a_shared_grant_goes_to_one_server() -> None:
    """What narrows it, or says whose it is, may differ."""
    assert shared(credential("a"), credential("b", scope="b", account="bob")) == []
    assert (
        shared(credential("a"), credential("b", grant="own", issuer="https://evil.example")) == []
    )
    assert shared(credential("a"), credential("b", login=False, issuer="https://e.example")) == []


@pytest.mark.parametrize("words", [{"issuer": "https://evil.example"}, {"provider": "entra"}])
def test_a_grant_is_not_shared_with_another_server(words: dict[str, str]) -> None:
    """Its refresh token would be sent there."""
    (error,) = shared(credential("a"), credential("b"), credential("c", **words))  # type: ignore[arg-type]

    assert error == (
        'config.toml:c: "c" shares grant "team" with "a", '
        "but names another provider, server or client"
    )


def references(**uses: str | None) -> list[str]:
    complaints = Complaints()
    found = {
        name: credential(name, secret=None if of is None else Reference(credential=of))
        for name, of in uses.items()
    }
    check_references(found, complaints)
    return complaints.errors


def test_references_to_what_there_is_are_fine() -> None:
    """In a chain too."""
    assert references(a="b", b="c", c=None) == []


def test_a_reference_to_nobody_is_told_with_a_guess() -> None:
    """Where there is one."""
    (error,) = references(gateway=None, one="gatway")
    assert error == (
        'config.toml:one: "one" refers to credential "gatway", '
        'which is not configured, perhaps "gateway"'
    )
    assert references(one="zzz")[0].endswith("which is not configured")


def test_a_circle_is_told_by_all_in_it_and_nobody_else() -> None:
    """It would wait for itself; whoever only leads into it is not at fault."""
    assert references(a="b", b="a", outside="a") == [
        'config.toml:a: "a" refers to itself, through b',
        'config.toml:b: "b" refers to itself, through a',
    ]
    assert references(a="a") == ['config.toml:a: "a" refers to itself, through a']


def test_an_identity_is_a_proof_for_an_exchange_and_no_secret() -> None:
    """Handed out as it is, it would be kept beyond its end."""
    complaints = Complaints()
    spiffe = Reference(spiffe="unix:///run/agent.sock", audience="x")
    check_references({"a": credential("a", secret=spiffe)}, complaints)

    (line,) = complaints.errors
    assert line.startswith("config.toml:a: secret is no place for a JWT-SVID")
    assert "use it as assertion, client_assertion, identity, jwt, " in line
