"""When to mint, serve, refresh, back off and forget: a pure state machine, no clock and no I/O."""
