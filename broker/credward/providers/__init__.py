"""Mint: all egress, one file per identity system; loaded in workers only."""
