"""What the lines of one stage, or of one kind, say."""
