"""The secret of an endpoint: made once, private, without a line end."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.store.door_secrets import load_or_make_secret, secret_file


def test_it_is_made_once(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "aws-container-9911")
    first = load_or_make_secret(path).reveal()
    assert load_or_make_secret(path).reveal() == first
    assert path.read_text() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_each_endpoint_has_another_one(tmp_path: Path) -> None:
    made = [load_or_make_secret(secret_file(tmp_path, each)).reveal() for each in ("a", "b")]
    assert made[0] != made[1]


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 43, f"credward_{'x' * 44}", "credward_" + "a b" * 15, "ä" * 43]
)
def test_a_damaged_one_is_made_anew(tmp_path: Path, text: str) -> None:
    path = secret_file(tmp_path, "a")
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    assert load_or_make_secret(path).reveal() == path.read_text() != text


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "a")
    load_or_make_secret(path)
    path.chmod(0o640)
    with pytest.raises(BrokerError) as caught:
        load_or_make_secret(path)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert str(path) in caught.value.message


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "a")
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BrokerError) as caught:
        load_or_make_secret(path)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
