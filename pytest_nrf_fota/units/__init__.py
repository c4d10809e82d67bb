"""Units: individual boards, how they are found and how their three wires are built."""
