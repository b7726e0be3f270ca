"""Where requests enter: who is at the other end, which words mean what, how errors look."""
