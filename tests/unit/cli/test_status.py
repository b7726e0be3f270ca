"""What `status` says below its table, and the verdict of `status --check`."""

import pytest

from credward.cli.status import draw, verdict
from credward.wire import CredentialStatus, Failure, GrantStatus, StatusList

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
    ],
)
def test_check_answers_0_1_or_2(status: CredentialStatus, code: int) -> None:
    """0 well, 1 asking would fail now, 2 it will once the token ends."""
    assert verdict(status) == code


def test_doubt_lock_and_weak_attestation_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the table, each with what follows from it."""
    one = CredentialStatus(name="a", state="fresh", expires_at=9.0, grant="oauth-1")
    doubt = GrantStatus(
        name="oauth-1",
        state="ambiguous",
        account="alice@example.com",
        given_at=-7200.0,
        ambiguous_at=1.0,
        ends_at=3662.0,
        credentials=["a"],
    )
    draw(StatusList(now=62.0, pid=1, credentials=[one], grants=[doubt], store="key file /k"))
    draw(StatusList(now=1.0, pid=1, credentials=[one], locked=True, store="key file /k, locked"))
    draw(StatusList(now=1.0, pid=1, credentials=[one], attestation="degraded: why"))
    lines = capsys.readouterr().out.splitlines()

    assert [line for line in lines if not line.startswith(("NAME", "a "))] == [
        "",
        "GRANT    STATE      ACCOUNT            SINCE      ENDS   CREDENTIALS",
        "oauth-1  ambiguous  alice@example.com  1m01s ago  1h00m  a",
        "",
        "a: its last renewal, 1m01s ago, may or may not have worked; retrying",
        "store: key file /k",
        "the store is locked: run credward unlock",
        "attestation: degraded: why",
    ]
