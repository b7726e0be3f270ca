"""The verdict of `status --check`, and names that do not exist."""

import pytest

from credward.cli.status import verdict
from credward.wire import CredentialStatus, Failure

FAILURE = Failure(kind="provider-unreachable", message="down", recovery="retry")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (CredentialStatus(name="a", state="fresh", expires_at=9.0), 0),
        (CredentialStatus(name="a", state="empty"), 0),
        (CredentialStatus(name="a", state="stale", expires_at=9.0, failure=FAILURE), 2),
        (CredentialStatus(name="a", state="empty", failure=FAILURE), 1),
        (CredentialStatus(name="a", state="expired", failure=FAILURE), 1),
        (CredentialStatus(name="a", state="parked", expires_at=9.0, failure=FAILURE), 1),
        (CredentialStatus(name="a", state="rejected"), 1),
        (CredentialStatus(name="a", state="suspect", expires_at=9.0), 0),
        (CredentialStatus(name="a", state="suspect", expires_at=9.0, doubt=FAILURE), 2),
    ],
)
def test_check_answers_0_1_or_2(status: CredentialStatus, code: int) -> None:
    """0 well, 1 asking would fail now, 2 it will once the token ends, or the token is doubted."""
    assert verdict(status) == code
