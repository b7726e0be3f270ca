"""What is kept on disk: the lock that makes one daemon of many, and keys of our own."""
