"""What is kept on disk: the sealed store and its key, keys of our own, and the lock of one daemon."""
