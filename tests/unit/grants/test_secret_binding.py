"""What a secret may be used for after it was used."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from credward.config import Config, CredentialConfig
from credward.grants.secret_binding import Binding, Use, judge, use_of, ways_into
from credward.settings import aws, oauth, static
from credward.settings.network import NetworkSettings
from credward.settings.references import Reference

A, B = "https://a.example.com", "https://b.example.com"


def use(*base_urls: str, **words: Any) -> Use:
    return Use(**{"credential": "gateway", "base_urls": base_urls, "settings": ("x",), **words})


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (use(), use(), None),
        (use(), use(A), None),
        (use(A), use(A), None),
        (use(A, B), use(B), None),
        (use(A), use(f"{A}:443/v1"), None),
        (use(), use(A, flags=("proxy",)), None),
        (use(A, flags=("proxy",)), use(A), None),
        (use(A, flags=("proxy",)), use(A, flags=("proxy=p:1",)), None),
        (use(A, flags=("proxy=p:1",)), use(A, flags=("proxy=p:1",)), None),
        (use(A, flags=("proxy=p:1",)), use(A, flags=("proxy",)), "allow_client_flags proxy"),
        (
            use(A, flags=("proxy=p:1",)),
            use(A, flags=("proxy=p:2",)),
            "allow_client_flags proxy=p:2",
        ),
        (use(settings=("x", "y")), use(settings=("y",)), None),
        (use(A), use(), "may now go anywhere"),
        (use(A), use(A, B), f"not to {B}"),
        (use(A), use(B), f"not to {B}"),
        (use(A), use(f"{A}:8443"), f"not to {A}:8443"),
        (use(A), use(A, flags=("proxy", "tls-off")), "allow_client_flags proxy, tls-off"),
        (use(A), use(A, credential="other"), 'bound to "gateway"'),
        (use(A), use(A, settings=("x", "z")), "other settings"),
    ],
)
def test_s1_no_wider_than_before(before: Use, now: Use, why: str | None) -> None:
    """What is as wide or narrower takes the place of what was; the rest says why and what to type."""
    found = judge(Binding(uses=(before,)), "key", now)

    if why is None:
        assert found == Binding(uses=(now,))
    else:
        assert isinstance(found, str)
        assert why in found
        assert found.startswith(f'"{now.credential}" may not use secret "key", ')
        assert found.endswith(": if you made that change, run credward secret allow key")


def test_s1_the_first_use_binds() -> None:
    """And leaves the others of a binding alone when it narrows."""
    first = judge(None, "key", use())
    shared = Binding(uses=(use(), use(credential="other")))

    assert first == Binding(uses=(use(),))
    assert judge(shared, "key", use(A)) == Binding(uses=(use(A), use(credential="other")))


def config(*, issuer: str = "https://login.example.com", proxy: str | None = None) -> Config:
    key, inner = Reference(store="key"), Reference(credential="inner")
    words = {"issuer": issuer, "client_id": "c", "grant_type": "token_exchange"}
    settings = {
        "inner": static.Settings(secret=key),
        "outer": static.Settings(secret=inner),
        "traded": oauth.Settings(**words, subject_token=inner, client_secret=key),
        "role": aws.Settings(
            source=key, role_arn="arn:aws:iam::123456789012:role/narrow", region="eu-central-1"
        ),
        "round": static.Settings(secret=Reference(credential="round")),
    }
    return Config(
        credentials={
            name: CredentialConfig(name=name, provider=str(i), settings=each, epoch="1", grant="g")
            for i, (name, each) in enumerate(settings.items())
        },
        network=NetworkSettings(proxy=proxy),
    )


def test_s1_every_way_of_a_secret_counts() -> None:
    """Directly and through others; one that refers to itself is no way."""
    found = config()
    ways = {name: list(ways_into(found, each)) for name, each in found.credentials.items()}

    assert ways == {
        "inner": [("key", ("inner",))],
        "outer": [("key", ("outer", "inner"))],
        "traded": [("key", ("traded",)), ("key", ("traded", "inner"))],
        "role": [("key", ("role",))],
        "round": [],
    }


def test_s1_who_is_shown_a_secret_is_part_of_its_use() -> None:
    """The server, and the proxy where a server is asked; a secret that is handed out has neither."""
    uses = [
        {name: use_of(each, each.credentials[name], "key") for name in ("outer", "traded", "role")}
        for each in (
            config(),
            config(issuer="https://evil.example"),
            config(proxy="http://proxy.example:1"),
        )
    ]
    plain, elsewhere, proxied = uses

    assert len(plain["traded"].settings) == 2
    assert not set(plain["traded"].settings) & set(elsewhere["traded"].settings)
    assert not set(plain["traded"].settings) & set(proxied["traded"].settings)
    assert plain["role"] == elsewhere["role"] != proxied["role"]
    assert plain["outer"] == elsewhere["outer"] == proxied["outer"]


def test_s1_what_callers_may_ask_for_is_part_of_its_use() -> None:
    """An audience or a scope more is another use, also where the secret is handed out."""
    found = config()
    plain = found.credentials["inner"]
    uses = {
        use_of(found, each, "key").settings
        for each in (
            plain,
            msgspec.structs.replace(plain, audiences=("a",)),
            msgspec.structs.replace(plain, scopes=("a",)),
        )
    }

    assert len(uses) == 3


def test_s1_a_record_of_before_takes_its_owners_word() -> None:
    """One that knows of the servers alone is read, and covers nothing."""
    record = b'{"uses":[{"credential":"gateway","base_urls":["%s"],"presented":["x"]}]}'
    old = msgspec.json.decode(record % A.encode(), type=Binding)
    found = judge(old, "key", use(A))

    assert found == (
        '"gateway" may not use secret "key", which was used with other settings than the '
        "configured ones: if you made that change, run credward secret allow key"
    )


def test_s1_a_use_says_where_its_tokens_go() -> None:
    """Host and what may be in force at callers, as configured."""
    found = config()
    bound = msgspec.structs.replace(
        found.credentials["inner"], base_urls=(A,), allowed_flags=frozenset({"proxy"})
    )
    seen = use_of(found, bound, "key")

    assert (seen.credential, seen.base_urls, seen.flags) == ("inner", (A,), ("proxy",))
