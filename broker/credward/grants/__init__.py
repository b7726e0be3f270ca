"""Who owns what is long-lived: records, the loan of one to a mint, recovery, the opened store."""
