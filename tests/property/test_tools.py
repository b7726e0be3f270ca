"""Any tools, set up in any order in files of any content, are undone to the byte."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credward.cli.setup.carrying_out import How, change
from credward.cli.setup.record import memory_of_set_ups
from credward.cli.setup.settings_file import read, without
from credward.cli.setup.tool import Wanted
from credward.cli.setup.tool_command import plans_for
from credward.cli.setup.tools import TOOLS
from credward.cli.setup.undo import plans_to_undo
from credward.cli.start import paths
from credward.config import environment, load_config
from examples import examples
from unit.cli.setup.rig import CONFIG, ENDPOINTS, helper_in, tree

SINKS = '[[sinks]]\ncredential = "claude"\nformat = "anthropic-profile"\npath = "/a"\n'
BY_NAME = {each.name: each for each in TOOLS}
RUNS = st.lists(
    st.sampled_from(
        [
            *(("aws", "bedrock"), ("aws", "plain"), ("gcp", "vertex"), ("azure", "foundry")),
            *(("azure", "arm"), ("anthropic-sdk", "claude"), ("ant", "key"), ("ant", "gateway")),
        ]
    ),
    min_size=1,
    max_size=6,
)
# Pieces of a file; whatever is in it, it is what somebody keeps by hand.
INI = [
    *("# note \u00fc\n", "; other\n", "\n", "[default]\nregion=eu-west-1\n", "[a]\n"),
    *("[profile b]\nx: 1\ns3 =\n    y = 2\n", "[sso-session c]\n# in here\nz = %(z)s\n"),
    "[profile credward-plain]\nregion = here\n",
]
RC = [
    *("# note \u00fc\n", "\n", "export A='b'\n", "if x; then\n\ty\nfi\n", "alias l=ls\n"),
    *("# >>> conda >>>\nc\n# <<< conda <<<\n", "f() {\n  g\n}\n", "\f\x0b\n"),
]


def texts(pieces: list[str]) -> st.SearchStrategy[bytes | None]:
    """Return absent, empty and rich files, with and without a last line end, also as of Windows."""
    chosen = st.lists(st.sampled_from(pieces), unique=True, max_size=6).map("".join)
    ends = st.sampled_from(["\n", "\r\n"])
    return st.none() | st.builds(
        lambda text, end, whole: (text if whole else text.rstrip("\n")).replace("\n", end).encode(),
        *(chosen, ends, st.booleans()),
    )


@contextmanager
def home_with(config: str) -> Iterator[Path]:
    """Yield an empty home with this configuration, for the length of one example."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home = Path(folder)
        state = home / "state"
        for name, value in (
            *(("HOME", folder), ("SHELL", "/bin/bash"), ("CREDWARD_NO_START", "1")),
            *(("XDG_CONFIG_HOME", str(state / "config")), ("XDG_STATE_HOME", str(state))),
            ("XDG_RUNTIME_DIR", str(state / "run")),
        ):
            patch.setenv(name, value)
        for name in ("AWS_CONFIG_FILE", "CREDWARD_CONFIG", "CREDWARD_SOCKET", "CLAUDE_CONFIG_DIR"):
            patch.delenv(name, raising=False)
        file = state / "config/credward/config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(config + SINKS)
        helper_in(home, patch)
        patch.chdir(home)
        yield home


def set_up(tool: str, name: str) -> None:
    """Do what `credward setup TOOL NAME` does; the second time there is nothing to do."""
    config = load_config(paths())
    wanted = Wanted(
        config=config,
        credential=config.credentials[name],
        environ=environment(),
        owner=BY_NAME[tool].owner(name),
    )
    for number in range(2):
        plans = plans_for(BY_NAME[tool], BY_NAME[tool].plan(wanted), wanted)
        change(plans, How(dry_run=False, yes=True, as_json=True))
        assert number == 0 or not any(each.changed for each in plans)


def undo(tool: str) -> None:
    plans = plans_to_undo(lambda *_: True, tool=tool)
    change(plans, How(dry_run=False, yes=True, as_json=True))


@pytest.mark.examples
@settings(max_examples=examples(200))
@given(texts(INI), texts(RC), RUNS, st.randoms(use_true_random=False))
def test_undo_restores_every_byte(
    ini: bytes | None, rc: bytes | None, runs: list[tuple[str, str]], order: Random
) -> None:
    """Whatever was in the files, whoever else is set up in them, in whatever order it goes."""
    with home_with(CONFIG + ENDPOINTS) as home:
        for relative, content in ((".aws/config", ini), (".bashrc", rc)):
            if content is not None:
                (home / relative).parent.mkdir(exist_ok=True)
                (home / relative).write_bytes(content)
        was = tree(home)
        for tool, name in runs:
            set_up(tool, name)
        changed = tree(home)
        for path, record in memory_of_set_ups().load().items():
            # As if the backups were gone; only an end of the last line may be more.
            left = without(read(Path(path)), record.changes, record.kind)
            before = was.get(str(Path(path).relative_to(home))) or b""
            assert left.rstrip("\r\n") == before.decode().rstrip("\r\n")
        tools = sorted({tool for tool, _ in runs})
        order.shuffle(tools)
        for tool in tools:
            undo(tool)

        assert changed != was
        assert tree(home) == was
        assert memory_of_set_ups().load() == {}
