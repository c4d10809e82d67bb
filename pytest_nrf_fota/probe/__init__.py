"""SWD: the debug probe, one protocol and its backends."""
