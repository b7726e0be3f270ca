"""What looks like a secret without a name, and what only looks a little like one."""

from __future__ import annotations

import pytest

from credward.masking.looks import is_random, random_words, shapes


@pytest.mark.parametrize(
    "run",
    [
        "/usr/lib/python3.11/site-packages/botocore/client.py",
        "x86_64-linux-gnu/boto3/s3/v2/arm64/i386",
        "CredentialUnavailableError",
        "my-project-123456",
        "2026-11-29T10",
        "application_default_credentials.json",
        "AmazonElasticContainerService",
    ],
)
def test_names_and_paths_do_not_look_random(run: str) -> None:
    """Words, numbers, and a few digits behind a word."""
    assert not is_random(run)


@pytest.mark.parametrize(
    "run",
    [
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "q7/Xd+4Ab/9Zk2+Lm/T1c/Yv8B/eR3+Hs0/Wq6PnU",
        "0b5e3f4a-1c2d-4e5f-8a9b-0c1d2e3f4a5b",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_what_marks_cut_into_pieces_looks_random_as_a_whole(run: str) -> None:
    """Keys of base64 have slashes, like paths."""
    assert is_random(run)


def test_an_id_of_a_request_stays() -> None:
    """If it is called one; support asks for it."""
    uuid = "0b5e3f4a-1c2d-4e5f-8a9b-0c1d2e3f4a5b"

    assert list(random_words(f"Request ID: {uuid}")) == []
    assert list(random_words(f'"request_id":"{uuid}"')) == []
    assert list(random_words(f"id {uuid}")) == [(3, 3 + len(uuid))]
    assert list(random_words(f"request id: x{uuid}")) != []


def test_a_key_in_pem_has_no_end_without_one() -> None:
    """Nor a beginning, if that was cut off."""
    begin, end = "-----BEGIN KEY-----", "-----END KEY-----"

    assert list(shapes(f"{begin}a")) == [(0, len(begin) + 1)]
    assert list(shapes(f"a{end}b")) == [(0, len(end) + 1)]
    assert list(shapes(f"{end}{begin}{end} b")) == [
        (0, len(end)),
        (len(end), 2 * len(end) + len(begin)),
    ]
    assert list(shapes("-----BEGIN-----")) == []
