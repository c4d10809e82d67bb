"""Many kits: which there are on this host, who holds each, and taking one for oneself alone."""
