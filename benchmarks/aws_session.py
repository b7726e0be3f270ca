"""boto3 in one process: for each line on standard input a session of its own, which gets its keys.

Prints how long that took (seconds): what a program pays that starts now, less its imports.
"""

from __future__ import annotations

import sys
import time

import boto3

boto3.Session()
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    found = boto3.Session().get_credentials()
    if found is None or not found.get_frozen_credentials().access_key:
        raise SystemExit("no keys")
    print(time.perf_counter() - began, flush=True)
