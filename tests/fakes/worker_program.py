"""A program in the place of a worker, to show the daemon's side what a worker of ours never does."""

from __future__ import annotations

import sys
from pathlib import Path

from credward import __version__

HELLO = f'{{"type":"hello","version":"{__version__}","provider":"fake"}}'

_PROGRAM = """#!{python} -IS
import os, socket, sys, time
link = socket.socket(fileno=int(next(word for word in sys.argv if word.isdigit())))
def say(text):
    link.sendall(text.encode() + b"\\n")
def hear():
    heard = b""
    while not heard.endswith(b"\\n"):
        chunk = link.recv(65536)
        if not chunk:
            sys.exit(0)
        heard += chunk
    return heard
HELLO = {hello!r}
{body}
"""


def worker_program(folder: Path, body: str) -> str:
    """Write such a program and return its path; *body* may `say`, `hear` and use `HELLO`."""
    path = folder / "fake-worker"
    path.write_text(_PROGRAM.format(python=sys.executable, hello=HELLO, body=body))
    path.chmod(0o700)
    return str(path)
