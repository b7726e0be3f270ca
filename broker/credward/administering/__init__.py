"""What owners do: look, log in and out, revoke, lock, put secrets."""
