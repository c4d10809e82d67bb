"""SMP: sessions with the board's management server. The only place above `wires/` with asyncio."""
