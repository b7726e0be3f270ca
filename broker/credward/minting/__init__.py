"""Tokens: the asyncio driver of the lifecycle, what is kept of them, one mint."""
