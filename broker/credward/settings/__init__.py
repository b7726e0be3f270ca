"""The settings of a credential in the configuration: one file per provider, no SDK."""
