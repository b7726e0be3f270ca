#!python
"""credward-helper in Python, installed where there was no C compiler."""

from credward.cli.helper import main

main()
