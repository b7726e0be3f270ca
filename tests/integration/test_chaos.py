"""A few rounds of `chaos`: what the long run by hand shows for hundreds of them."""

from __future__ import annotations

import pytest

from integration.chaos import ASKERS, run
from integration.oidc import OidcProvider

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OidcProvider.missing() is not None, reason=str(OidcProvider.missing())),
]

ROUNDS = 4


@pytest.mark.parametrize("kind", ["daemon", "call"])
def test_t10_a_killed_daemon_costs_no_login_and_spends_no_grant_twice(tmp_path, kind):
    """Killed at any instant, or at any call to the disk: the worker finishes into its journal."""
    tally = run(kind, ROUNDS, tmp_path / kind, seed=7)

    assert tally.answers == {"served": ASKERS * ROUNDS}
    assert (tally.logins, tally.reused_inside, tally.reused_outside) == (0, 0, 0)
    # At least one exchange for each audience in each round, where the tokens had all ended.
    assert tally.mints >= 4 * ROUNDS


def test_t10_a_killed_worker_spends_a_grant_twice_only_where_nobody_can_know(tmp_path):
    """Only inside the open window; what that costs is a login, and everybody is told so."""
    tally = run("worker", ROUNDS, tmp_path / "worker", seed=7)

    assert tally.reused_outside == 0
    assert tally.logins <= tally.reused_inside
    assert sum(tally.answers.values()) == ASKERS * ROUNDS
    assert set(tally.answers) <= {"served", "told to log in"}
