"""What a credential may say in the configuration: one file per provider, no SDK."""
