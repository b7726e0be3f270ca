"""Mint: all egress, a folder or a file per identity system; loaded in workers only."""
