"""What is kept on disk: the sealed store, keys of our own, and the lock that lets one run."""
