"""UART: an append-only log of what the board printed, expectations on it, the Zephyr shell."""
