"""What the store keeps although no credential uses it: logins, and secrets that people set.

Only says so; `grant_service` and `store_service` forget it once its owner wants that.
"""

from __future__ import annotations

from credward.config import Config, CredentialConfig
from credward.config.sources import users
from credward.grants.grant_record import GrantView
from credward.grants.kept import Kept
from credward.grants.records import GrantRecords
from credward.issuing.gate import Holder
from credward.settings.grants import set_identity

__all__ = ["Leftovers", "unused_grants"]


class Leftovers:
    """Compares the store with the configuration; knows nothing while it is locked."""

    def __init__(self, *, holder: Holder, kept: Kept) -> None:
        self._holder = holder
        self._opened_store = kept.opened_store
        self._records = kept.records
        self._keeper = kept.keeper

    def warnings(self) -> list[str]:
        """Return a line about each, with what to type."""
        if self._opened_store.locked:
            return []
        config = self._holder.active.config
        views = [self._keeper.view(name) for name in unused_grants(config, self._records)]
        return [
            *(self._of_login(config, view) for view in views if view.given_at is not None),
            *(_of_secret(name) for name in self.secrets()),
        ]

    def secrets(self) -> list[str]:
        """Return the names of the secrets that no credential refers to."""
        config = self._holder.active.config
        names = self._records.secret_names()
        return [name for name in names if not users(config, secret=name)]

    def _of_login(self, config: Config, view: GrantView) -> str:
        whose = "" if view.account is None else f" of {view.account}"
        text = f'login "{view.name}"{whose} is kept, but no credential uses it'
        forget = f"run credward logout {view.name} to forget it"
        if (without := self._without_login(config, view.name)) is None:
            return f"{text}: {forget}"
        # One wrong letter there looks the same, and a login that was forgotten does not come back.
        words = _any_of(set_identity(without.meaning.grant, without.settings)) or "grant"
        return (
            f'{text}, and "{without.name}" needs a new one: correct {words} in {without.origin} '
            f"if it was changed by mistake, else {forget}"
        )

    def _without_login(self, config: Config, grant: str) -> CredentialConfig | None:
        """Return a credential of the same provider whose login may have been *grant*."""
        record = self._records.load(grant)
        for each in config.credentials.values():
            ours = record is not None and each.provider == record.provider
            if ours and each.meaning.grant.logins and not self._keeper.view(each.grant).given_at:
                return each
        return None


def unused_grants(config: Config, records: GrantRecords) -> list[str]:
    """Return the names of the grants in the store that no credential uses."""
    used = {
        each.grant
        for each in config.credentials.values()
        if each.meaning.grant.logins or each.meaning.grant.rotating
    }
    return [name for name in records.names() if name not in used]


def _any_of(names: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _of_secret(name: str) -> str:
    return (
        f'secret "{name}" is kept, but no credential uses it: '
        f"run credward secret rm {name} to forget it"
    )
