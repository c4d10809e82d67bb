"""Prove firmware-over-the-air upgrades on Nordic nRF5340 DK boards with pytest."""
