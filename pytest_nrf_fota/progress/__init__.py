"""Long steps as people see them: live lines on a terminal, plain lines in a log."""
