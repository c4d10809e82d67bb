"""West build folders: what lies in them, and what it says of the board."""
