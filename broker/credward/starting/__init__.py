"""A daemon that is not running is started: by whom, when not, and once for all who wait."""
