"""The application that the kit runs: log, shell, SMP server."""
