"""How Claude Code is led to each service: one file for each, which says what to set."""
