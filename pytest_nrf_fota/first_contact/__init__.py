"""First contact with a kit: what it, its tools and its radio do, step by step, as one recording."""
