"""What a board will do with an update, found out by running its boot code on a copy."""
