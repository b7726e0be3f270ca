"""A token into the shape that a client expects: pure functions, one file per shape."""
