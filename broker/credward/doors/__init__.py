"""Where requests enter: who is at the other end, what the words mean, how errors look."""
