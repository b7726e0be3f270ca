"""Which chains of fallbacks are refused, and with which words."""

from __future__ import annotations

import msgspec
import pytest

from credward.config import CredentialConfig
from credward.config.fallbacks import check_fallbacks
from credward.config.layers import Complaints
from credward.settings.meaning import Meaning


class Words(msgspec.Struct):
    """The settings of some provider that tells its kind, or not."""

    kind: str | None = None

    @property
    def meaning(self) -> Meaning:
        return Meaning(kind=self.kind)


def credential(name: str, *fallback: str, **words: object) -> CredentialConfig:
    return CredentialConfig(
        name=name,
        provider="command",
        settings=Words(kind=words.pop("kind", None)),  # type: ignore[arg-type]
        epoch="e",
        grant=name,
        fallback=fallback,
        origin=f"config.toml:{name}",
        **words,  # type: ignore[arg-type]
    )


def errors(*credentials: CredentialConfig) -> list[str]:
    complaints = Complaints()
    check_fallbacks({each.name: each for each in credentials}, complaints)
    return complaints.errors


def test_a_chain_of_equals_is_fine() -> None:
    """In any order of definition, and where two ways lead to the same entry."""
    one = {"kind": "bearer", "base_urls": ("https://x.example",)}

    assert (
        errors(
            credential("a", "b", "c", **one), credential("b", "c", **one), credential("c", **one)
        )
        == []
    )


def test_a_kind_that_only_a_mint_will_tell_is_let_through() -> None:
    """A program may print anything."""
    assert errors(credential("a", "b", kind="bearer"), credential("b")) == []


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ([credential("a", "a")], ['config.toml:a: "a" falls back on itself']),
        (
            [credential("a", "gatway"), credential("gateway")],
            [
                (
                    'config.toml:a: "a" falls back on "gatway", which is not configured, '
                    'perhaps "gateway"'
                )
            ],
        ),
        (
            [credential("a", "b"), credential("b", "c"), credential("c", "b")],
            [
                'config.toml:b: "b" falls back on itself, through "c"',
                'config.toml:c: "c" falls back on itself, through "b"',
            ],
        ),
        (
            [credential("a", "b", kind="bearer"), credential("b", kind="api-key")],
            [
                (
                    'config.toml:a: "a" is of kind bearer and falls back on "b" of kind api-key: '
                    "only credentials of the same kind can replace each other"
                )
            ],
        ),
        (
            [credential("a", "b", base_urls=("https://x.example",)), credential("b")],
            ['config.toml:a: "a" falls back on "b", which has other base_urls: give both the same'],
        ),
    ],
)
def test_each_wrong_chain_is_named(
    credentials: list[CredentialConfig], expected: list[str]
) -> None:
    """With its place in the file, and what to write where that helps."""
    assert errors(*credentials) == expected
