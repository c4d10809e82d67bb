"""SMP: sessions with the board's management server. The only place above the wires with asyncio."""
