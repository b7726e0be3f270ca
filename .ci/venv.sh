#!/usr/bin/env bash
# venv.sh DIRECTORY: make the virtual environment with credward (editable) and its developers' tools.
# PYTHON names the interpreter, 3.11 or later. uv is used where it is installed and works, else pip.
set -euo pipefail

directory=${1:-.venv}
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	echo "venv: $("$python" --version) is too old, 3.11 is needed: run make venv PYTHON=python3.12" >&2
	exit 1
}

with_uv() {
	command -v uv >/dev/null || return 1
	# With pip: the tests of the build and of the wheel install with it.
	uv venv --quiet --seed --allow-existing --python "$python" "$directory" &&
		# Without byte code every start of a worker takes several times as long.
		uv pip install --quiet --compile-bytecode --python "$directory/bin/python" \
			--constraint constraints.txt --editable . --group dev
}

with_pip() {
	[ -x "$directory/bin/pip" ] || "$python" -m venv --clear "$directory"
	# Dependency groups came with pip 25.1.
	"$directory/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
	"$directory/bin/python" -m pip install --quiet \
		--constraint constraints.txt --editable . --group dev
}

with_uv || with_pip
