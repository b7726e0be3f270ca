"""The process: composition, signals, reload, readiness."""
