"""Recordings: a run as one zip for others, without names. See docs/recordings.md."""
