"""What a change of a settings file does to the set-up that is there: said before it is made.

Pure: reads the two texts of a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from credward.cli.setup import claude_code
from credward.cli.setup.json_text import get_member
from credward.cli.setup.planning import Plan
from credward.policy.destinations import claimed

__all__ = ["replacing_notes"]


def replacing_notes(plan: Plan) -> Iterator[str]:
    """Yield what stops working, if the file has a helper of ours for another credential."""
    if plan.changes is None or not plan.before.strip() or plan.after is None:
        return
    before, after = get_member(plan.before, ()), get_member(plan.after, ())
    lost, now = _asked_for(before), _asked_for(after)
    if lost is None or lost == now:
        return
    # Of this file: what other files and the shell say is the same before and after.
    ways = [claimed(_variables(each)) for each in (before, after)]
    goes = f"; requests will go to {ways[1]}, not to {ways[0]}" if ways[0] != ways[1] else ""
    yield f"note: this replaces {lost}{goes}"


def _asked_for(settings: Mapping[str, Any]) -> str | None:
    line = settings.get(claude_code.HELPER[0])
    if not isinstance(line, str) or not claude_code.ours(line):
        return None
    return claude_code.asked_for(line)


def _variables(settings: Mapping[str, Any]) -> dict[str, str]:
    found = settings.get("env")
    found = found if isinstance(found, dict) else {}
    return {name: each for name, each in found.items() if isinstance(each, str)}
