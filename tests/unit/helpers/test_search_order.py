"""S6: the helpers look for the socket where the daemon and the command line do, in the same order."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from credward.paths import find_paths
from transcripts.programs import HELPERS

LONG = "/" + "a" * 120

ENVIRONMENTS = {
    "all": {"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "XDG_STATE_HOME": "/s"},
    "home only": {"HOME": "/h"},
    "relative": {"HOME": "/h", "XDG_RUNTIME_DIR": "r", "XDG_STATE_HOME": "s"},
    "empty": {"HOME": "/h", "XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": "", "CREDWARD_SOCKET": ""},
    "the login directory": {"HOME": "/h", "XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"},
    "too long": {"HOME": "/h", "XDG_RUNTIME_DIR": LONG},
    "all too long": {"HOME": LONG, "XDG_RUNTIME_DIR": LONG},
    "just right": {"HOME": "/h", "XDG_RUNTIME_DIR": "/" + "r" * (107 - 1 - 23)},
    "one more": {"HOME": "/h", "XDG_RUNTIME_DIR": "/" + "r" * (107 - 23)},
    "named": {"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "CREDWARD_SOCKET": "/x/y.sock"},
}


@pytest.fixture(scope="module")
def twin() -> ModuleType:
    """The Python twin as a module."""
    spec = importlib.util.spec_from_file_location("credward_helper", HELPERS / "helper.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_s6_the_twin_looks_where_the_configuration_says(
    twin: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """That the C helper does the same is shown by the transcripts."""
    environ = ENVIRONMENTS[name]
    for variable in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "CREDWARD_SOCKET"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    looked_at = [Path(path) for _, path in twin.find_places()]

    assert looked_at == list(find_paths(environ).sockets)
