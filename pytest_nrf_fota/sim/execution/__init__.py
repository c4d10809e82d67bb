"""Machine code of a chip's cores, executed with the Unicorn CPU emulator (an optional extra)."""
