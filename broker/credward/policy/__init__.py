"""May they? Cedar policies over attested facts; every error is a deny."""
