"""The far side for a `command` credential: a program that mints numbered opaque tokens and logs each mint.

What it does next is steered by files in its folder, so that a test can change it while the daemon runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

_PROGRAM = """#!{python} -IS
import json, os, sys, time
folder = {folder!r}
def read(name, default):
    try:
        with open(os.path.join(folder, name)) as file:
            return file.read().strip()
    except OSError:
        return default
log = os.open(os.path.join(folder, "mints"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, ("%.3f\\n" % time.time()).encode())
count = len(read("mints", "").splitlines())
time.sleep(float(read("delay", "0")))
while os.path.exists(os.path.join(folder, "hold")):
    time.sleep(0.01)
failure = read("exit", "")
if failure:
    sys.stderr.write("canary-upstream-body\\n")
    sys.exit(int(failure))
raw = read("raw", "")
if raw:
    sys.stdout.write("  \\n" if raw == "BLANKS" else raw)
    sys.exit(0)
if read("aws", ""):
    end = time.gmtime(time.time() + float(read("lifetime", "3600")))
    print(json.dumps({{"Version": 1, "AccessKeyId": "AKIA%d" % count, "SecretAccessKey": "opaque-%d" % count,
                      "SessionToken": "session-%d" % count, "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", end)}}))
    sys.exit(0)
if read("az", ""):
    # As `az account get-access-token` does.
    end = int(time.time() + float(read("lifetime", "3600")))
    print(json.dumps({{"accessToken": "entra-%d" % count, "expires_on": end}}))
    sys.exit(0)
print(json.dumps({{"version": 1, "token": "opaque-%d" % count,
                  "expires_at": time.time() + float(read("lifetime", "3600"))}}))
"""


class MintProgram:
    """One such program in *folder*."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / "mint"
        self.path.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
        self.path.chmod(0o700)

    def set(self, **words: object) -> None:
        """Set delay, hold (as long as it is set), exit, raw, aws, az or lifetime; None takes it back."""
        for name, value in words.items():
            if value is None:
                (self.folder / name).unlink(missing_ok=True)
            else:
                # Renamed into place: the program never reads half a value.
                fresh = self.folder / f"{name}.new"
                fresh.write_text(str(value))
                fresh.rename(self.folder / name)

    @property
    def mints(self) -> int:
        """How many times it was run."""
        try:
            return len((self.folder / "mints").read_text().splitlines())
        except FileNotFoundError:
            return 0

    def block(self, name: str, **extra: object) -> str:
        """Return the configuration of a credential that uses it."""
        lines = [f"[credentials.{name}]", 'provider = "command"', f'command = ["{self.path}"]']
        lines += [f"{key} = {value}" for key, value in extra.items()]
        return "\n".join(lines) + "\n"
