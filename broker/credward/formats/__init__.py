"""A token into the format that a client expects: pure functions, one file per format."""
