"""The application core's port among a kit's ports: found by its boot on real ptys, remembered."""

import os
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.console.vcom_choice import VcomChoice, VcomMemory, choose_vcom
from pytest_nrf_fota.errors import ConsoleLostError, RigError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ptys are POSIX only")

READY = "Advertising successfully started"
OWN_LINES = [READY, r"Starting bootloader \d+"]
BANNER = b"*** Booting Zephyr OS build v3.2.99-ncs2 ***\r\n"
APPLICATION = BANNER + b"Starting boot\x1b[0mloader 2\r\n"
NETWORK = BANNER + b"Starting Bluetooth controller\r\n"
LONG_S = 30.0
# Long enough to open the ports on a busy machine.
SHORT_S = 2.0


class Kit:
    """A kit's ports as ptys; `reset` prints on each what that port prints at a boot."""

    def __init__(self, boots: list[bytes], serial_number: str = "1050012345") -> None:
        self._boots = boots
        self._ends = [os.openpty() for _ in boots]
        for _, near_end in self._ends:
            tty.setraw(near_end)
        names = [os.ttyname(near_end) for _, near_end in self._ends]
        vcoms = tuple(Vcom(name, name, 2 * place) for place, name in enumerate(names))
        self.attached = AttachedKit(serial_number, vcoms)
        self.resets = 0

    def reset(self) -> bool:
        self.resets += 1
        for (far_end, _), boot in zip(self._ends, self._boots, strict=True):
            os.write(far_end, boot)
        return True

    def vanish(self, place: int) -> None:
        for end in self._ends.pop(place):
            os.close(end)

    def close(self) -> None:
        while self._ends:
            self.vanish(0)


@pytest.fixture
def kit() -> Iterator[Callable[..., Kit]]:
    with ExitStack() as kits:

        def make(*boots: bytes) -> Kit:
            made = Kit(list(boots))
            kits.callback(made.close)
            return made

        yield make


@pytest.fixture
def memory(tmp_path: Path) -> VcomMemory:
    return VcomMemory(tmp_path / "cache" / "vcom")


def _choose(kit: Kit, memory: VcomMemory, timeout_s: float = LONG_S) -> VcomChoice:
    return choose_vcom(
        kit.attached,
        own_lines=OWN_LINES,
        baudrate=115200,
        reset=kit.reset,
        listen_s=timeout_s,
        memory=memory,
    )


@pytest.mark.parametrize("place", [0, 1, 2])
def test_port_that_shows_the_boot_is_taken_wherever_it_is(
    kit: Callable[..., Kit], memory: VcomMemory, place: int
) -> None:
    boots = [NETWORK, b""]
    boots.insert(place, APPLICATION)
    chosen = _choose(kit(*boots), memory)
    assert (chosen.application.interface, chosen.how) == (2 * place, "boot banner")
    assert [vcom.interface for vcom in chosen.others] == [n for n in (0, 2, 4) if n != 2 * place]


def test_choice_is_remembered_without_another_reset(
    kit: Callable[..., Kit], memory: VcomMemory
) -> None:
    found = kit(APPLICATION, NETWORK)
    _choose(found, memory)
    again = kit(NETWORK, NETWORK)
    chosen = _choose(again, memory)
    assert (chosen.application, chosen.how) == (again.attached.vcoms[0], "remembered")
    assert again.resets == 0


def test_forgotten_choice_is_made_anew(kit: Callable[..., Kit], memory: VcomMemory) -> None:
    _choose(kit(APPLICATION, NETWORK), memory)
    changed = kit(NETWORK, APPLICATION)
    memory.forget(changed.attached)
    assert _choose(changed, memory).application == changed.attached.vcoms[1]


def test_memory_of_a_kit_with_other_ports_does_not_count(
    kit: Callable[..., Kit], memory: VcomMemory
) -> None:
    """J-Link firmware updates change how many ports a kit has."""
    _choose(kit(APPLICATION, NETWORK), memory)
    changed = kit(NETWORK, b"", APPLICATION)
    assert _choose(changed, memory).application == changed.attached.vcoms[2]


@pytest.mark.parametrize("content", ["", "{", '{"interface": "x"}', "\x00\xff"])
def test_damaged_memory_is_no_memory(
    kit: Callable[..., Kit], memory: VcomMemory, tmp_path: Path, content: str
) -> None:
    found = kit(NETWORK, APPLICATION)
    file = tmp_path / "cache" / "vcom" / f"{found.attached.serial_number}.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode("latin-1"))
    assert _choose(found, memory).how == "boot banner"


def test_cache_that_cannot_be_written_costs_only_time(
    kit: Callable[..., Kit], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    memory = VcomMemory(tmp_path / "file" / "vcom")
    found = kit(NETWORK, APPLICATION)
    assert [_choose(found, memory).how for _ in range(2)] == ["boot banner", "boot banner"]
    memory.forget(found.attached)


def test_kit_that_prints_nothing_is_guessed_at_and_not_remembered(
    kit: Callable[..., Kit], memory: VcomMemory
) -> None:
    """A recovered kit: the last port was the application core's on every version."""
    silent = kit(b"", b"", b"")
    chosen = _choose(silent, memory, SHORT_S)
    assert (chosen.application.interface, chosen.how) == (4, "position")
    assert _choose(silent, memory, SHORT_S).how == "position"
    assert silent.resets == 2


def test_banner_of_unknown_firmware_is_enough_where_one_port_shows_it(
    kit: Callable[..., Kit], memory: VcomMemory
) -> None:
    chosen = _choose(kit(BANNER + b"hello\n", b""), memory, SHORT_S)
    assert (chosen.application.interface, chosen.how) == (0, "boot banner")


def test_two_ports_with_the_same_boot_are_not_guessed_between(
    kit: Callable[..., Kit], memory: VcomMemory
) -> None:
    doubtful = kit(BANNER + b"one\n", BANNER + b"other\n")
    with pytest.raises(RigError, match=r"(?s)Several ports.*one.*other") as refusal:
        _choose(doubtful, memory, SHORT_S)
    assert "boot.app_ready" in refusal.value.next_step


def test_only_port_needs_no_reset(kit: Callable[..., Kit], memory: VcomMemory) -> None:
    single = kit(APPLICATION)
    chosen = _choose(single, memory)
    assert (chosen.how, chosen.others, single.resets) == ("the only one", (), 0)


def test_kit_without_ports_says_how_to_enable_them(memory: VcomMemory) -> None:
    with pytest.raises(ConsoleLostError, match="1050012345 has no serial port") as refusal:
        _choose(Kit([]), memory)
    assert "VCOM enable" in refusal.value.next_step


def test_port_that_vanishes_meanwhile_is_reported_and_no_thread_stays(
    kit: Callable[..., Kit], memory: VcomMemory
) -> None:
    fragile = kit(NETWORK, b"")

    def reset() -> bool:
        fragile.vanish(1)
        return True

    with pytest.raises(ConsoleLostError, match="vanished"):
        choose_vcom(
            fragile.attached,
            own_lines=OWN_LINES,
            baudrate=115200,
            reset=reset,
            listen_s=LONG_S,
            memory=memory,
        )
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vcom")]


def test_failed_reset_leaves_no_port_open(kit: Callable[..., Kit], memory: VcomMemory) -> None:
    found = kit(NETWORK, APPLICATION)

    def fail() -> bool:
        raise RigError("the probe is gone")

    with pytest.raises(RigError, match="the probe is gone"):
        choose_vcom(
            found.attached,
            own_lines=OWN_LINES,
            baudrate=115200,
            reset=fail,
            listen_s=LONG_S,
            memory=memory,
        )
    assert _choose(found, memory).how == "boot banner"


def test_refused_reset_is_silence(kit: Callable[..., Kit], memory: VcomMemory) -> None:
    """A closed access port: nobody waits for a boot that is not made, and none is remembered."""
    closed = kit(NETWORK, APPLICATION)
    chosen = choose_vcom(
        closed.attached,
        own_lines=OWN_LINES,
        baudrate=115200,
        reset=lambda: False,
        listen_s=float(threading.TIMEOUT_MAX),
        memory=memory,
    )
    assert (chosen.application.interface, chosen.how) == (2, "position")
    assert memory.recall(closed.attached) is None


def test_serial_number_is_never_a_path(tmp_path: Path) -> None:
    memory = VcomMemory(tmp_path / "cache" / "vcom")
    odd = AttachedKit("../../outside", (Vcom("a", "a", 0), Vcom("b", "b", 2)))
    memory.remember(odd, odd.vcoms[0])
    (file,) = tmp_path.rglob("*.json")
    assert file.parent == tmp_path / "cache" / "vcom"
    assert memory.recall(odd) == odd.vcoms[0]
