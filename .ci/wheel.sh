#!/usr/bin/env bash
# wheel.sh PYTHON: build the wheel from a copy of the tracked files, remove the copy, install the wheel into
# a fresh environment and use it: what is tested is what ships, and nothing can be found in the checkout.
set -euo pipefail

python=$(command -v "${1:-python3}")
cd "$(dirname "$0")/.."
work=$(mktemp -d /tmp/cw-wheel.XXXXXX)
daemon=
finish() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT

mkdir "$work/source" "$work/home" "$work/run"
git ls-files -z | tar --create --null --files-from=- | tar --extract --directory "$work/source"
cp constraints.txt "$work"

require=1
command -v cc >/dev/null || command -v gcc >/dev/null || require=0
CREDWARD_REQUIRE_NATIVE=$require "$python" -m pip wheel --quiet --no-deps \
	--wheel-dir "$work" "$work/source"
rm -rf "$work/source"

"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --constraint "$work/constraints.txt" "$work"/credward-*.whl

cd "$work/home"
unset PYTHONPATH PYTHONHOME
export HOME=$work/home XDG_CONFIG_HOME=$work/home/.config XDG_STATE_HOME=$work/home/.local/state
export XDG_RUNTIME_DIR=$work/run PATH=$work/venv/bin:/usr/bin:/bin
mkdir -p "$XDG_CONFIG_HOME/credward"
printf '[credentials.smoke]\nprovider = "local"\n' >"$XDG_CONFIG_HOME/credward/config.toml"

credward --version >/dev/null
credward config check >/dev/null
credward-helper --version >/dev/null
credward serve --log-level warning &
daemon=$!
for _ in $(seq 100); do
	credward-helper --no-start --check ready 2>/dev/null && break
	sleep 0.1
done
token=$(credward-helper --no-start)
[[ $token == eyJ*.*.* ]]
credward status >/dev/null
kill "$daemon"
wait "$daemon"
daemon=
credward demo >/dev/null </dev/null
echo "wheel: built, installed and used without its sources"
