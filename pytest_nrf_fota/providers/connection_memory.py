"""What connections with a board have shown, remembered for a session."""


class ConnectionMemory:
    """Which applications print that a central connected, by their hash; None: it cannot be read.

    Of an application that has printed such a line before, its absence means that the central
    connected to another board. `hides_address` is whether the board was found by its name although
    its address is known.
    """

    def __init__(self) -> None:
        self.hides_address = False
        self._hashes: set[bytes | None] = set()

    def remember(self, image_hash: bytes | None) -> None:
        """This application's console has shown a connection."""
        self._hashes.add(image_hash)

    def prints_connections(self, image_hash: bytes | None) -> bool:
        """Whether it has ever."""
        return image_hash in self._hashes
