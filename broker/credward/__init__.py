"""The one process on a machine that owns credentials for AI coding agents and cloud SDKs."""

__all__ = ["__version__"]

__version__ = "0.1.0"
