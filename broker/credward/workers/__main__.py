"""`python -I -m credward.workers PROVIDER DESCRIPTOR JOURNAL [DIRECTORY]`: one worker process.

JOURNAL is the descriptor of its rotation journal, or -1.
Makes the process unreadable and the package importable; `main` does the rest.
"""

# No process of the same user may read this one or attach to it. Done first, because `exec` has just
# reset it.
import ctypes
import sys

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE

if len(sys.argv) > 4:
    # Run from a checkout by path: -I keeps every directory but the standard ones out.
    sys.path.insert(0, sys.argv[4])

from credward.workers.main import main

if __name__ == "__main__":
    journal = int(sys.argv[3])
    sys.exit(main(sys.argv[1], int(sys.argv[2]), None if journal < 0 else journal))
