#!/usr/bin/env bash
# lint.sh BIN: style, types and the import contracts, with the tools in the directory BIN.
set -euo pipefail

bin=$(cd "${1:-.venv/bin}" && pwd)
cd "$(dirname "$0")/.."

"$bin/ruff" check --quiet .
"$bin/ruff" format --check --quiet .
"$bin/mypy" --strict --no-error-summary -p credward
contracts=$("$bin/lint-imports" --no-cache 2>&1) || {
	printf '%s\n' "$contracts" >&2
	exit 1
}
