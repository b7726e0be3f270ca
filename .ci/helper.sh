#!/usr/bin/env bash
# helper.sh: every C source compiles without a warning under each compiler that is here.
# What the products say is tested by tests/transcripts, with the sanitizers among the builds.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

warnings=(-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Werror)
built=()
for compiler in gcc clang musl-gcc; do
	command -v "$compiler" >/dev/null || continue
	"$compiler" "${warnings[@]}" -Os '-DCREDWARD_VERSION="ci"' -o "$work/$compiler" helpers/*.c
	[[ "$("$work/$compiler" --version)" == "credward-helper ci ("*")" ]]
	built+=("$compiler")
done
[ ${#built[@]} -gt 0 ] || {
	echo "helper: no C compiler is here, nothing was compiled" >&2
	exit 0
}

# The load generator of the benchmarks: not shipped, warnings are still errors.
"${built[0]}" -std=c11 -O2 -Wall -Wextra -Werror -o "$work/load" benchmarks/load.c
echo "helper: no warning under ${built[*]}"
