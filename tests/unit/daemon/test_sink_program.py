"""The program of a sink: what it is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from credward.config import SinkConfig
from credward.daemon.sink_program import sink_program

_SHOW = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open(sys.argv[1], 'w'))"


async def test_it_is_told_the_path_and_nothing_else(tmp_path: Path) -> None:
    """Its words are those of the configuration."""
    out = tmp_path / "out"
    sink = SinkConfig(
        credential="given",
        path=tmp_path / "token",
        format="token",
        on_change=(sys.executable, "-IS", "-c", _SHOW, str(out)),
    )
    await sink_program({"HOME": "/h", "GATEWAY_KEY": "canary", "PATH": "/evil"})(sink)
    arguments, seen = json.loads(out.read_text())
    seen.pop("LC_CTYPE", None)

    assert arguments == [str(out)]
    assert seen.pop("PATH") != "/evil"
    assert seen == {"HOME": "/h", "CREDWARD_SINK_PATH": str(sink.path)}
