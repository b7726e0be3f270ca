"""Every listener."""
