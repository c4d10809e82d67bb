"""What a test prints past pytest: with `-s`, tee-sys, or while it has switched capturing off.

All of it goes through the stream that was `sys.stdout` or `sys.stderr` before pytest captured. Only
what is written to these objects passes here: file descriptors, and so child processes, do not.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TextIO, cast

import pytest

from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.record.stream_masking import StreamMasking

_NAMES = ("stdout", "stderr")
_output_key: pytest.StashKey["list[MaskedOutput]"] = pytest.StashKey()


class MaskedOutput:
    """A text stream around another one; what is written loses its secrets.

    The end of a line that may be the begin of a secret waits, also when it is flushed. Whatever
    else a stream has is the other one's.
    """

    def __init__(self, inner: TextIO, secrets: Secrets) -> None:
        self._inner = inner
        self._masking = StreamMasking(secrets)
        # Output of one thread may come between two of another.
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def __iter__(self) -> object:
        return iter(self._inner)

    def write(self, text: str) -> int:
        """Write what is no secret; returns the text's length."""
        with self._lock:
            self._inner.write(self._masking.take(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the other stream."""
        self._inner.flush()

    def release(self) -> None:
        """Write what still waits; whoever wrote it is done."""
        with self._lock:
            self._inner.write(self._masking.rest())


def begin_masking_output(config: pytest.Config, secrets: Secrets) -> None:
    """Mask what tests print past pytest, until the session is over.

    pytest's own reporter keeps the stream that it has: it writes what is masked already.
    """
    streams: list[MaskedOutput] = []
    for name in _NAMES:
        plain: TextIO | None = getattr(sys, name)
        if plain is None:
            continue
        holder = _holder(config, name)
        inner = cast("TextIO", getattr(holder, "_old", plain))
        stream = MaskedOutput(inner, secrets)
        _put(config, _replacements(holder, name, inner), cast("TextIO", stream))
        streams.append(stream)
    config.stash[_output_key] = streams


def release_output(config: pytest.Config) -> None:
    """Write what still waits, now that a phase of a test is over."""
    for stream in config.stash.get(_output_key, ()):
        stream.release()


def _holder(config: pytest.Config, name: str) -> object | None:
    """What keeps the stream for pytest while it captures (_pytest/capture.py); None with -s."""
    manager = config.pluginmanager.get_plugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    capture = getattr(capturing, {"stdout": "out", "stderr": "err"}[name], None)
    # fd has a sys within.
    return getattr(capture, "syscapture", capture)


def _replacements(holder: object | None, name: str, inner: TextIO) -> list[tuple[object, str]]:
    """Where the stream is known: by which object, under which name."""
    known: list[tuple[object, str]] = [
        (sys, name),
        (holder, "_old"),
        (getattr(holder, "tmpfile", None), "_other"),
    ]
    # A conftest.py may have told logging where to write before the session began.
    known += [(handler, "stream") for handler in logging.getLogger().handlers]
    return [(one, attribute) for one, attribute in known if getattr(one, attribute, None) is inner]


def _put(config: pytest.Config, places: list[tuple[object, str]], stream: TextIO) -> None:
    def give_back(one: object, attribute: str, before: object) -> Callable[[], None]:
        def give() -> None:
            # Whoever has put something else there since keeps it.
            if getattr(one, attribute, None) is stream:
                setattr(one, attribute, before)

        return give

    for one, attribute in places:
        config.add_cleanup(give_back(one, attribute, getattr(one, attribute)))
        setattr(one, attribute, stream)
    if places:
        config.add_cleanup(cast("MaskedOutput", stream).release)
