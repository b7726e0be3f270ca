"""The way of a request: authorize, obtain, record, release."""
