"""`credward doctor`: the way of a token from file to agent, one file for each link."""
