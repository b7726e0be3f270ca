"""AWS: STS, IAM Identity Center, profiles, metadata."""
