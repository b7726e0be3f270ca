"""`credward setup TOOL`: one file per tool that we configure."""
