"""What sinks want of a token, and which are not permitted."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from credward.callers.own import OwnPeer
from credward.config import Config, SinkConfig, SinkFormat
from credward.policy.engine import PolicyEngine
from credward.sinks.asking import DOOR, least_remaining, not_permitted
from unit.sinks.rig import CREDENTIAL

SINK = SinkConfig(credential="given", path=Path("/f"), format="token")
CONFIG = Config(credentials={"given": CREDENTIAL}, sinks=(SINK,))


@pytest.mark.parametrize(
    ("form", "single_use", "expected"),
    [
        ("token", False, 0.0),
        ("token", True, math.inf),
        ("anthropic-profile", False, 300.0),
        ("aws-credentials", False, 960.0),
    ],
)
def test_the_least_life_is_what_its_readers_need(
    form: SinkFormat, single_use: bool, expected: float
) -> None:
    sink = SinkConfig(credential="given", path=Path("/f"), format=form, single_use=single_use)

    assert least_remaining(sink) == expected


def test_only_user_mode_permits_files_by_itself() -> None:
    user = PolicyEngine.load(mode="user", owner_uid=os.geteuid())
    sidecar = PolicyEngine.load(mode="sidecar", owner_uid=os.geteuid())

    assert list(not_permitted(CONFIG, user, OwnPeer(DOOR))) == []
    ((sink, reason),) = not_permitted(CONFIG, sidecar, OwnPeer(DOOR))
    assert sink == SINK
    assert "no policy permits it" in reason
