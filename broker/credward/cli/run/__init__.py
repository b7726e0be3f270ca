"""`credward run`: a command with endpoints of its own, which becomes that command."""
