"""What a change of a settings file does to the set-up that is there: said before it is made.

Reads the two texts of a plan, the other settings files, and the shell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from credward.cli.setup import claude_code
from credward.cli.setup.claude_code import BASE_URL
from credward.cli.setup.claude_code_merged import Merged, read_merged
from credward.cli.setup.file_plan import Plan
from credward.cli.setup.json_text import get_member
from credward.paths import environment
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
    by = "" if now is not None else " by what credward use chooses"
    yield f"note: this replaces {lost}{by}{_where(plan, before, after)}"


def _where(plan: Plan, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return where requests will go, as the end of a sentence; empty if that does not change."""
    shell = environment()
    merged = read_merged(shell, Path.cwd(), plan.target)
    # Another shell may not have what this one has.
    without = {name: shell[name] for name in shell.keys() - {BASE_URL[1]}}
    (was, goes), (elsewhere_was, elsewhere) = (
        [claimed(_environment(merged, each, plan.target, said)) for said in (before, after)]
        for each in (shell, without)
    )
    if None in {goes, elsewhere}:
        return ""
    if goes == elsewhere:
        return f"; requests will go to {goes}, not to {was}" if goes != was else ""
    if (goes, elsewhere) == (was, elsewhere_was):
        return ""
    return (
        f"; requests will go to {goes} from this shell, and to {elsewhere} where {BASE_URL[1]} is "
        "not set"
    )


def _environment(
    merged: Merged, shell: Mapping[str, str], target: Path, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Return the environment of Claude Code in *shell* if *target* has these *settings*."""
    levels = [
        replace(each, content=settings) if each.path == target else each for each in merged.levels
    ]
    return Merged(levels=tuple(levels), shell=shell).environment()


def _asked_for(settings: Mapping[str, Any]) -> str | None:
    line = settings.get(claude_code.HELPER[0])
    if not isinstance(line, str) or not claude_code.ours(line):
        return None
    return claude_code.asked_for(line)
