"""Anthropic workload identity federation."""
