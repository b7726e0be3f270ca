"""Variables that lead Google's SDKs to the metadata endpoint, or to a file for a pool."""

import json
from pathlib import Path

import pytest
from google.auth.pluggable import Credentials

from unit.cli.conftest import Run
from unit.cli.setup.rig import helper_in, tree

POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/o"


def test_both_variables_and_the_project(run: Run, set_up_home: Path) -> None:
    """google-auth for Python needs both."""
    ran = run("setup", "gcp", "vertex", "--yes")

    assert (set_up_home / ".bashrc").read_text() == (
        "# >>> credward gcp >>>\n"
        "export GCE_METADATA_HOST=127.0.0.1:9922\n"
        "export GCE_METADATA_IP=127.0.0.1:9922\n"
        "export GOOGLE_CLOUD_PROJECT=p-1\n"
        "# <<< credward gcp <<<\n"
    )
    assert "note: shells that you open from now on have it" in ran.out


def test_what_comes_before_the_endpoint_is_said(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that gcloud wrote, and a variable that names one."""
    file = set_up_home / ".config/gcloud/application_default_credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/x")
    monkeypatch.delenv("CLOUDSDK_CONFIG", raising=False)
    ran = run("setup", "gcp", "vertex", "--yes")

    assert "warning: GOOGLE_APPLICATION_CREDENTIALS is set here" in ran.out
    assert f"warning: SDKs take {file} before the endpoint: move it away" in ran.out


def test_without_an_endpoint_nothing_is_written(run: Run, set_up_home: Path) -> None:
    """The lines to add are printed."""
    ran = run("setup", "gcp", "gateway", "--yes")

    assert ran.code == 78
    assert '[[endpoints]]\ndoor = "gce"\ncredential = "gateway"\nport = 9911\n' in ran.err
    assert not (set_up_home / ".bashrc").exists()


def test_a_pool_gets_the_token_from_a_program(run: Run, set_up_home: Path) -> None:
    """google-auth takes the file; both files go with --undo, and nothing else."""
    was = tree(set_up_home)
    words = ("gateway", "--pool", POOL, "--service-account", "a@p.iam.gserviceaccount.com")
    run("setup", "gcp", *words, "--yes", "--json")
    again = json.loads(run("setup", "gcp", *words, "--yes", "--json").out)
    file = set_up_home / "config/credward/google/gateway.json"
    found = Credentials.from_file(str(file))
    helper = set_up_home / "bin/credward-helper"
    assert found.info.items() >= json.loads(file.read_text()).items()
    assert found.service_account_email == "a@p.iam.gserviceaccount.com"
    assert found.info["credential_source"]["executable"]["command"] == (
        f"{helper} --format gcp-executable gateway"
    )
    assert f"export GOOGLE_APPLICATION_CREDENTIALS={file}\n" in (
        (set_up_home / ".bashrc").read_text()
    )
    assert not any(each["changed"] for each in again["files"])
    run("setup", "gcp", "--undo", "--yes")
    assert tree(set_up_home) == was


def test_from_the_pool_to_the_endpoint(run: Run, set_up_home: Path) -> None:
    """The file would count before it, so it goes."""
    run("setup", "gcp", "gateway", "--pool", POOL, "--yes", "--json")
    run("setup", "gcp", "vertex", "--yes", "--json")

    assert not (set_up_home / "config/credward/google").exists()
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in (set_up_home / ".bashrc").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vertex", "--pool", POOL), "gives no OIDC token"),
        (("bedrock", "--pool", POOL), "gives no OIDC token"),
        (("gateway", "--pool", "p"), "--pool is the audience of a provider"),
        (("vertex", "--service-account", "a@b"), "--service-account goes with --pool"),
        (("bedrock",), "is AWS keys, and door gce hands out a bearer token: name another"),
    ],
)
def test_what_does_not_fit_is_refused(
    run: Run, set_up_home: Path, words: tuple[str, ...], said: str
) -> None:
    """Before anything is written."""
    ran = run("setup", "gcp", *words, "--yes")

    assert ran.code == 64
    assert said in ran.err
    assert not (set_up_home / ".bashrc").exists()


def test_a_path_with_a_blank_is_refused(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every library of Google reads quotes."""
    home = set_up_home / "my tools"
    home.mkdir()
    helper_in(home, monkeypatch)
    ran = run("setup", "gcp", "gateway", "--pool", POOL, "--yes")

    assert ran.code == 78
    assert "install credward elsewhere" in ran.err
