"""The API on the Unix socket."""
