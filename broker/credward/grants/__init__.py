"""The long-lived grants: records, the loan of one to a mint, recovery, the opened store."""
