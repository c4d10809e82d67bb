"""Evidence, and what follows from it."""
