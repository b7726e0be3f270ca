"""Variables that lead Azure's SDKs to the identity endpoint."""

from pathlib import Path

import pytest

from unit.cli.conftest import Run


def test_the_secret_stays_in_its_file(run: Run, set_up_home: Path) -> None:
    """The shell reads it when it starts."""
    run("setup", "azure", "foundry", "--yes", "--json")
    file = set_up_home / "state/credward/endpoints/azure-app-service-9924.token"

    assert (set_up_home / ".bashrc").read_text() == (
        "# >>> credward azure >>>\n"
        "export IDENTITY_ENDPOINT=http://127.0.0.1:9924/msi/token\n"
        f'export IDENTITY_HEADER="$(cat {file} 2>/dev/null)"\n'
        "# <<< credward azure <<<\n"
    )


def test_the_other_door_has_no_secret(run: Run, set_up_home: Path) -> None:
    """Taken where the first one is not configured."""
    run("setup", "azure", "arm", "--yes", "--json")

    assert "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9925\n" in (
        (set_up_home / ".bashrc").read_text()
    )


def test_what_comes_before_the_endpoint_is_said(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name alone."""
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "sesame")
    ran = run("setup", "azure", "foundry", "--yes")

    assert "warning: AZURE_CLIENT_SECRET is set here" in ran.out
    assert "sesame" not in ran.out
