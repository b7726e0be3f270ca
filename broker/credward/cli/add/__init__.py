"""`credward add`: what is found, what is asked, what is written, and whether it works."""
