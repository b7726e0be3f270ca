"""Retries what waits for a login or a secret when that comes, through any number of credentials.

Knows from the configuration (`config.sources`) what depends on what; `lifecycle` makes keys wait.
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
    """Retry all that depends on the login behind *grant*, and return it.

    Unless it has the *same_account*, or was dropped, tokens from the previous login are no longer
    handed out. A separate grant (a session at another server) is kept.
    """
    found = users(config, credentials=names_on(config, grant))
    _wake(driver, found, keep_tokens=same_account)
    return found


def login_found(config: Config, driver: Driver, grant: str) -> list[CredentialConfig]:
    """Retry all that waited for a login that another tool keeps, and return it.

    A mint showed that the login is there. We do not know whose it is; older tokens are kept, like
    those of the grant itself.
    """
    driver.grant_given(grant)
    return login_changed(config, driver, grant, same_account=True)


def changed_hands(config: Config, driver: Driver, grant: str) -> None:
    """Stop handing out tokens of the previous account; the mint that showed it goes on."""
    found = users(config, credentials=names_on(config, grant))
    for each in {grant, *(each.grant for each in found)}:
        driver.grant_given(each, drop=True)


def secret_changed(config: Config, driver: Driver, name: str) -> None:
    """Forget tokens from the old value of a secret, and failures that needed the new one."""
    _wake(driver, users(config, secret=name), keep_tokens=False)


def secret_allowed(driver: Driver, credentials: Iterable[CredentialConfig]) -> None:
    """Retry what was not allowed to use its secret; reports on the secret stay."""
    for each in credentials:
        driver.grant_given(each.grant, same_secret=True)


def _wake(driver: Driver, credentials: Iterable[CredentialConfig], *, keep_tokens: bool) -> None:
    """Retry the failed ones of *credentials* at once."""
    for each in credentials:
        terms = each.meaning.grant
        if keep_tokens or terms.logins or terms.rotating:
            # Its tokens come from the grant, with any client.
            driver.grant_given(each.grant)
        else:
            driver.drop(each.name)
