"""Variables that lead Google's SDKs to the metadata endpoint."""

from pathlib import Path

import pytest

from unit.cli.conftest import Run


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
