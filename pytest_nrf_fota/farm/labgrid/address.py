"""Where a farm is, and which of its places are wanted: `--farm labgrid://HOST:PORT?rack=3`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from pytest_nrf_fota.errors import InputError

DEFAULT_PORT = 20408
"""labgrid's own (labgrid 26.0, remote/coordinator.py)."""

BOARD_TAG = "board"
HOST_TAG = "host"


@dataclass(frozen=True)
class FarmAddress:
    """A labgrid coordinator, and tags that a place must have besides the board's.

    `port` is a TCP port; an IPv6 address in `host` has its brackets.
    """

    host: str
    port: int = DEFAULT_PORT
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> str:
        """As grpc names it."""
        return f"{self.host}:{self.port}"

    def tag(self, name: str) -> str | None:
        """What a tag must be, where that was given."""
        return dict(self.tags).get(name)

    def with_tags(self, texts: Sequence[str]) -> "FarmAddress":
        """With more tags, as `--board-tag` gives them: `name=value`. Raises `InputError`."""
        more = [text.partition("=") for text in texts]
        for name, _, value in more:
            if not (name.strip() and value.strip()):
                # labgrid compares tags as a whole.
                raise InputError(
                    f"{name + '=' + value!r} is no tag of a place.",
                    where="--board-tag",
                    next_step="With --farm, give name and value: --board-tag rack=3",
                )
        given = tuple((name.strip(), value.strip()) for name, _, value in more)
        return replace(self, tags=(*self.tags, *given))

    def __str__(self) -> str:
        """As it is given."""
        query = "&".join(f"{name}={value}" for name, value in self.tags)
        return f"labgrid://{self.target}{'?' if query else ''}{query}"


def read_farm_address(text: str) -> FarmAddress:
    """Read `--farm`. Raises `InputError`."""
    try:
        parts = urlsplit(text)
        port = parts.port
        tags = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _refused(text, str(error)) from error
    if parts.scheme != "labgrid" or not parts.hostname:
        raise _refused(text, "it does not begin with labgrid://HOST")
    if parts.username or parts.path not in ("", "/") or parts.fragment:
        raise _refused(text, "it names more than a host, a port and tags")
    if any(not value for _, value in tags):
        # labgrid compares tags as a whole.
        raise _refused(text, "a tag needs a value")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return FarmAddress(host, port or DEFAULT_PORT, tuple(tags))


def _refused(text: str, why: str) -> InputError:
    return InputError(
        f"{text!r} is no farm: {why}.",
        where="--farm",
        next_step=f"Give labgrid://HOST:PORT (the port is {DEFAULT_PORT} where none is given), "
        "with tags that a place must have as labgrid://HOST?host=lab1&rack=3",
    )
