"""What people read, in places and colours of a terminal: pure; daemon and commands share it."""
