"""One table of error kinds, two places: errors.py and the C header."""

from __future__ import annotations

import re
from pathlib import Path

from credward.errors import Kind

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {kind.slug: (kind.status, kind.exit_code) for kind in Kind}


def test_the_c_header_has_the_table_of_errors() -> None:
    """Every kind, with its name, status and exit code, and no other."""
    header = (ROOT / "helpers/exit_codes.h").read_text(encoding="utf-8")
    rows = re.findall(r'KIND\((\w+), "([a-z-]+)", (\d+), (\d+)\)', header)

    assert {slug: (int(status), int(code)) for _, slug, status, code in rows} == EXPECTED
    assert [name for name, *_ in rows] == [kind.name for kind in Kind]
