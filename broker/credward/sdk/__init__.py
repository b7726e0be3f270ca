"""What SDKs in a Python program take: callables and credentials that ask the daemon when used.

One file for each kind of SDK, which it imports; `asking` asks. Nothing here keeps a token.
"""
