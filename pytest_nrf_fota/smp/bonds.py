"""Keys of pairings in memory, whose values somebody has to know so that nobody writes them down."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bumble.keys import KeyStore, PairingKeys


def bonds_in_memory(tell: Callable[[bytes], None]) -> "KeyStore":
    """Where bumble keeps keys between connections; `tell` gets each key before it is kept."""
    from bumble.keys import MemoryKeyStore

    store = MemoryKeyStore()
    keep = store.update

    async def update(name: str, keys: "PairingKeys") -> None:
        for key in (
            *(keys.ltk, keys.ltk_central, keys.ltk_peripheral),
            *(keys.irk, keys.csrk, keys.link_key),
        ):
            if key is not None:
                tell(key.value)
        await keep(name, keys)

    store.update = update  # type: ignore[method-assign]
    return store
