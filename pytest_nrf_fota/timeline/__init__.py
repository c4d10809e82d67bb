"""A test's time line: from a flight recorder to one page that shows why it ended as it did."""
