"""Which applications print that a central connected, remembered for a session."""


class ConnectionMemory:
    """By the application's hash, None where it cannot be read.

    Of an application that has printed such a line before, its absence means that the central
    connected to another board.
    """

    def __init__(self) -> None:
        self._hashes: set[bytes | None] = set()

    def remember(self, image_hash: bytes | None) -> None:
        """This application's console has shown a connection."""
        self._hashes.add(image_hash)

    def prints_connections(self, image_hash: bytes | None) -> bool:
        """Whether it has ever."""
        return image_hash in self._hashes
