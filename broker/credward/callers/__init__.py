"""Who is asking: the kernel's word for the process at the other end of a socket."""
