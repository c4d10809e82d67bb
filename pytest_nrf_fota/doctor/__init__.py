"""What this machine has of what a board needs, and which kits are attached."""
