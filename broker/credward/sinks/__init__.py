"""Files with a token that are kept fresh: how each is written, and when."""
