"""Running logins, and who is told about them."""
