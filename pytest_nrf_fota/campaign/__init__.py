"""Random upgrades on the virtual kit, and what the harness says of them held against the kit."""
