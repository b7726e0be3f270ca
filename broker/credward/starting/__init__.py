"""Starts a daemon that is not running: how, when not, and once for all that wait."""
