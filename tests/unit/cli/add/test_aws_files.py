"""Names and keys in the files of the AWS command line."""

from __future__ import annotations

from pathlib import Path

from canaries import canary
from credward.cli.add.aws_files import read_aws_files


def test_profiles_sessions_and_keys_are_told_apart(tmp_path: Path) -> None:
    """Keys of a session are nobody's to keep; a repeated section and an odd line hide nothing."""
    key = canary("aws")
    (tmp_path / "config").write_text(
        "[sso-session corp]\n[profile bedrock]\n[default]\n[profile bedrock]\nodd\n[plugins]\n"
    )
    (tmp_path / "credentials").write_text(
        f"[work]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = {key}\n"
        "[short]\naws_access_key_id = ASIA\naws_secret_access_key = s\naws_session_token = t\n"
    )
    found = read_aws_files(tmp_path)

    assert found.profiles == ("bedrock", "default", "work", "short")
    assert found.sessions == ("corp",)
    (only,) = found.keys
    assert (only.profile, only.access_key_id) == ("work", "AKIAEXAMPLE")
    assert only.secret.reveal() == key
    assert key not in repr(found)


def test_no_files_and_broken_files_have_nothing(tmp_path: Path) -> None:
    """Their own tools report errors in them."""
    nothing = read_aws_files(tmp_path)
    (tmp_path / "config").write_text("profile x\n")

    assert read_aws_files(tmp_path) == nothing
    assert nothing.profiles == nothing.sessions == nothing.keys == ()
