"""What a firmware file holds, for people (a table) and for programs (JSON)."""
