"""A home with a credential for each tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.cli.setup.rig import CONFIG, ENDPOINTS, helper_in


@pytest.fixture
def set_up_home(home: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home with credentials, endpoints and the helper; its shell is bash."""
    for name in ("AWS_CONFIG_FILE", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHELL", "/bin/bash")
    config_file.write_text(CONFIG + ENDPOINTS)
    helper_in(home, monkeypatch)
    return home
