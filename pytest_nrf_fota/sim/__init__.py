"""The virtual nRF5340 DK. Imported by nothing above the wires."""
