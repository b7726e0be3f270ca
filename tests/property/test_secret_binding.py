"""S-1: whatever a configuration becomes, a secret goes no further than it went, but by its owner's word."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from credward.grants.secret_binding import Binding, Use, judge
from examples import examples

HOSTS = ("https://a.example", "https://b.example", "https://c.example")
# Where a token of a credential with these base URLs may end up.
ANYWHERE = frozenset({*HOSTS, "https://anywhere.else"})

hosts = st.frozensets(st.sampled_from(HOSTS))
names = st.sampled_from(("one", "two"))
shown = st.frozensets(st.sampled_from(("server", "other")), min_size=1)


def reach(base_urls: frozenset[str]) -> frozenset[str]:
    return base_urls or ANYWHERE


class Secrets(RuleBasedStateMachine):
    """One secret, and a configuration that anybody edits. The oracle: all the places that it was let to."""

    @initialize()
    def begin(self) -> None:
        self.binding: Binding | None = None
        # By credential, the hosts and servers that its owner has let it go to; None: no word yet.
        self.allowed: dict[str, tuple[frozenset[str], frozenset[str]]] | None = None

    @rule(name=names, base_urls=hosts, settings=shown)
    def mint(self, name: str, base_urls: frozenset[str], settings: frozenset[str]) -> None:
        """A credential is minted under whatever the configuration says now."""
        use = Use(
            credential=name, base_urls=tuple(sorted(base_urls)), settings=tuple(sorted(settings))
        )
        found = judge(self.binding, "key", use)
        wanted = (reach(base_urls), settings)
        known = self.allowed is None or (
            name in self.allowed
            and wanted[0] <= self.allowed[name][0]
            and wanted[1] <= self.allowed[name][1]
        )

        assert isinstance(found, Binding) == known
        if isinstance(found, Binding):
            self.binding = found
            self.allowed = {**(self.allowed or {}), name: wanted}

    @rule(uses=st.dictionaries(names, st.tuples(hosts, shown), min_size=1))
    def allow(self, uses: dict[str, tuple[frozenset[str], frozenset[str]]]) -> None:
        """The owner allows what the configuration says."""
        self.binding = Binding(
            uses=tuple(
                Use(credential=name, base_urls=tuple(urls), settings=tuple(places))
                for name, (urls, places) in uses.items()
            )
        )
        self.allowed = {name: (reach(urls), places) for name, (urls, places) in uses.items()}

    @rule()
    def replace(self) -> None:
        """Another value begins anew."""
        self.begin()

    @invariant()
    def bound_to_what_was_allowed(self) -> None:
        """The record says what the oracle knows."""
        uses = () if self.binding is None else self.binding.uses

        assert {each.credential for each in uses} == set(self.allowed or {})


TestSecrets = pytest.mark.examples(Secrets.TestCase)
TestSecrets.settings = settings(TestSecrets.settings, max_examples=examples(100))
