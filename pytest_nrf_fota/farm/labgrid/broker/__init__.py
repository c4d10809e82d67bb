"""The broker: a child process with labgrid. `run.py` says what it is."""
