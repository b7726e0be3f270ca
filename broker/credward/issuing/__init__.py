"""The use case: identify, decide, obtain, record, release."""
