"""Tokens: the asyncio driver of the lifecycle, the token caches, one mint."""
