"""A profile whose keys come from the helper, as botocore reads and splits it."""

from pathlib import Path

import pytest
from botocore.compat import compat_shell_split
from botocore.session import Session

from credward.cli.setup import aws
from unit.cli.conftest import Run
from unit.cli.setup.rig import helper_in


def scoped(file: Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what botocore finds in *profile*."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    return Session(profile=profile).get_scoped_config()


def test_botocore_finds_the_profile(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the region of the credential; the next line to type is named."""
    ran = run("setup", "aws", "bedrock", "--yes")
    found = scoped(set_up_home / ".aws/config", "credward-bedrock", monkeypatch)

    assert compat_shell_split(found["credential_process"]) == [
        *(str(set_up_home / "bin/credward-helper"), "--format", "aws-process", "bedrock")
    ]
    assert found["region"] == "eu-central-1"
    assert "\nnext: export AWS_PROFILE=credward-bedrock\n" in ran.out
    assert f"ok   AWS: {set_up_home / '.aws/config'} is as set-up wrote it" in ran.out


def test_a_path_with_odd_characters_stays_one_word(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quoted as a shell does, which all SDKs understand."""
    home = set_up_home / "it's my $HOME; 100%"
    home.mkdir()
    helper = helper_in(home, monkeypatch)
    run("setup", "aws", "plain", "--yes", "--json", "--profile", "a.b", "--region", "us-east-1")
    found = scoped(set_up_home / ".aws/config", "a.b", monkeypatch)

    assert compat_shell_split(found["credential_process"])[0] == str(helper)
    assert found["region"] == "us-east-1"


def test_a_path_that_some_read_as_a_comment_is_refused(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDKs for Go and JavaScript end a value there."""
    home = set_up_home / "x #1"
    home.mkdir()
    helper_in(home, monkeypatch)
    ran = run("setup", "aws", "bedrock", "--yes")

    assert ran.code == 78
    assert "install credward elsewhere" in ran.err
    assert not (set_up_home / ".aws").exists()


@pytest.mark.parametrize("profile", ["a b", "a]", "", "a\nb"])
def test_a_name_that_had_to_be_quoted_is_refused(run: Run, set_up_home: Path, profile: str) -> None:
    """The name may end up in a line of its own."""
    ran = run("setup", "aws", "bedrock", f"--profile={profile}", "--yes", "--json")

    assert (ran.code == 64) == bool(profile)
    assert ("--profile is one word" in ran.err) == bool(profile)


def test_the_default_profile_and_another_file(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_CONFIG_FILE counts here as for AWS's tools; there is nothing to export."""
    file = set_up_home / "aws.ini"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    ran = run("setup", "aws", "plain", "--profile", "default", "--yes")

    assert file.read_text().startswith("[default]\ncredential_process = ")
    assert "export" not in ran.out
    assert "note: the profile has no region" in ran.out


@pytest.mark.parametrize(
    "theirs",
    ["sso_session = corp", "role_arn = arn:aws:iam::123456789012:role/x", "credential_process = y"],
)
def test_a_profile_of_somebody_else_is_not_taken(run: Run, set_up_home: Path, theirs: str) -> None:
    """The credential may take its own keys from it."""
    file = set_up_home / ".aws/config"
    file.parent.mkdir()
    file.write_text(f"[profile source]\n{theirs}\n")
    ran = run("setup", "aws", "bedrock", "--profile", "source", "--yes")

    assert ran.code == 64
    assert "name another one with --profile" in ran.err
    assert file.read_text() == f"[profile source]\n{theirs}\n"


def test_a_region_alone_is_no_reason_to_refuse(run: Run, set_up_home: Path) -> None:
    """And comes back with --undo."""
    file = set_up_home / ".aws/config"
    file.parent.mkdir()
    file.write_text("[profile mine]\nregion = us-west-2\n")
    run("setup", "aws", "bedrock", "--profile", "mine", "--yes", "--json")
    assert "region = eu-central-1" in file.read_text()
    run("setup", "aws", "--undo", "--yes")

    assert file.read_text() == "[profile mine]\nregion = us-west-2\n"


@pytest.mark.parametrize("name", ["vertex", "short", "key"])
def test_what_gives_no_keys_is_refused(run: Run, set_up_home: Path, name: str) -> None:
    """Before anything is written; of a key nobody knows what it is before it is asked."""
    ran = run("setup", "aws", name, "--dry-run")

    assert (ran.code == 64) == (name == "short"), ran.err
    assert aws.profile_of(name) == f"credward-{name}"


def test_keys_in_the_shell_count_more(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before the change."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAX")
    ran = run("setup", "aws", "bedrock", "--yes")

    assert ran.out.startswith("warning: AWS_ACCESS_KEY_ID is set here and counts more than a ")
    assert "AKIAX" not in ran.out
