"""Claude Code to Vertex AI: by the metadata endpoint, or by the helper."""

from pathlib import Path

from unit.cli.conftest import Run
from unit.cli.setup.rig import CONFIG, ENDPOINTS
from unit.cli.setup.ways.test_bedrock import settings


def test_the_endpoint_with_project_and_region(run: Run, set_up_home: Path) -> None:
    """Those of the credential; an option counts more."""
    run("setup", "claude-code", "vertex", "--yes", "--json", "--region", "global")

    assert settings(set_up_home) == {
        "CLAUDE_CODE_USE_VERTEX": "1",
        "ANTHROPIC_VERTEX_PROJECT_ID": "p-1",
        "CLOUD_ML_REGION": "global",
        "GCE_METADATA_HOST": "127.0.0.1:9922",
        "GCE_METADATA_IP": "127.0.0.1:9922",
    }


def test_the_helper_needs_no_endpoint(run: Run, set_up_home: Path) -> None:
    """It gives the same token as a bearer."""
    run("setup", "claude-code", "vertex", "--with", "helper", "--yes", "--json")

    assert settings(set_up_home)["CLAUDE_CODE_SKIP_VERTEX_AUTH"] == "1"
    assert settings(set_up_home)["apiKeyHelper"].endswith("credward-helper vertex")
    assert "GCE_METADATA_HOST" not in settings(set_up_home)


def test_the_address_that_a_credential_is_bound_to_is_set(run: Run, set_up_home: Path) -> None:
    """Elsewhere Claude Code would not get the token."""
    config = set_up_home / "config/credward/config.toml"
    bound = 'project = "p-1"\nbase_url = "https://vertex.corp.example"\n'
    config.write_text((CONFIG + ENDPOINTS).replace('project = "p-1"\n', bound))
    run("setup", "claude-code", "vertex", "--yes", "--json")

    assert settings(set_up_home)["ANTHROPIC_VERTEX_BASE_URL"] == "https://vertex.corp.example"


def test_without_an_endpoint_the_lines_are_printed(run: Run, set_up_home: Path) -> None:
    """And nothing is written."""
    (set_up_home / "config/credward/config.toml").write_text(CONFIG)
    ran = run("setup", "claude-code", "vertex", "--yes")

    assert ran.code == 78
    assert 'door = "gce"\ncredential = "vertex"\nport = 9911\n' in ran.err
    assert not (set_up_home / ".claude").exists()
