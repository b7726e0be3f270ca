"""`python -I -m credward.workers PROVIDER DESCRIPTOR [DIRECTORY]`: one worker process.

Shuts itself off and makes the package importable; all else is the job of `main`.
"""

# Nobody of the same user may read this process or attach to it: before anything else, for `exec`
# has just reset that.
import ctypes
import sys

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE

if len(sys.argv) > 3:
    # Run from a checkout by path: -I keeps every directory but the standard ones out.
    sys.path.insert(0, sys.argv[3])

from credward.workers.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
