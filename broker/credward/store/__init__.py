"""What is kept on disk: the sealed store, our own keys, and the lock that allows one daemon."""
