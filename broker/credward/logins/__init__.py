"""Logins under way, and who is told of them."""
