"""Kits of several hosts, leased from a labgrid coordinator."""
