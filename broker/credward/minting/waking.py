"""What waits for a login or a secret is tried again when that comes, through any number of others.

Knows who depends on whom by the configuration (`config.sources`); how a key waits is `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Iterable

from credward.config import Config, CredentialConfig
from credward.config.sources import names_on, users
from credward.minting.driver import Driver

__all__ = [
    "changed_hands",
    "login_changed",
    "login_found",
    "secret_allowed",
    "secret_changed",
]


def login_changed(
    config: Config, driver: Driver, grant: str, *, same_account: bool
) -> list[CredentialConfig]:
    """Have whatever depends on the login behind *grant* tried again, and return that.

    Unless it is of the *same_account*, or was given up, tokens that came of the one before are
    handed out no more. A grant of its own (a session at another server) is kept.
    """
    found = users(config, credentials=names_on(config, grant))
    _wake(driver, found, keep_tokens=same_account)
    return found


def login_found(config: Config, driver: Driver, grant: str) -> list[CredentialConfig]:
    """Have tried again whatever waited for a login that another tool keeps, and return that.

    A mint showed that it is there. Whose it is nobody knows; tokens of before are kept, as those of
    the grant itself are.
    """
    driver.grant_given(grant)
    return login_changed(config, driver, grant, same_account=True)


def changed_hands(config: Config, driver: Driver, grant: str) -> None:
    """Hand out no more what came of the account before; the mint that showed it goes on."""
    found = users(config, credentials=names_on(config, grant))
    for each in {grant, *(each.grant for each in found)}:
        driver.grant_given(each, drop=True)


def secret_changed(config: Config, driver: Driver, name: str) -> None:
    """Forget what came of the old value of a secret, and what failed for want of the new one."""
    _wake(driver, users(config, secret=name), keep_tokens=False)


def secret_allowed(driver: Driver, credentials: Iterable[CredentialConfig]) -> None:
    """Have tried again what was kept from its secret; what was reported of that stays."""
    for each in credentials:
        driver.grant_given(each.grant, same_secret=True)


def _wake(driver: Driver, credentials: Iterable[CredentialConfig], *, keep_tokens: bool) -> None:
    """Have what failed of *credentials* tried again at once."""
    for each in credentials:
        terms = each.meaning.grant
        if keep_tokens or terms.logins or terms.rotating:
            # Its tokens are the grant's, whoever the client is.
            driver.grant_given(each.grant)
        else:
            driver.drop(each.name)
