"""The way of a request, and nothing else: authorize, obtain, record, release."""
