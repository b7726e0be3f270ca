"""The part of cedarpy that the daemon does not use costs nothing, and is there for who uses it."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
from credward.policy.engine import PolicyEngine
assert PolicyEngine.load(mode="user", owner_uid=0).epoch
before = "PolicySet" in vars(sys.modules["cedarpy.pst"])
import cedarpy
typed = cedarpy.policies_to_pst("permit(principal, action, resource);")
print(before, isinstance(typed, cedarpy.pst.PolicySet))
"""


def test_policies_as_typed_nodes_are_imported_at_their_first_use() -> None:
    """Not by the policy engine."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("False True\n", "")
