"""Board files: the packaged ones, the user's own, and every mistake in them."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.board_file import (
    board_names,
    load_board,
    packaged_boards,
    read_board_file,
)
from pytest_nrf_fota.boards.soc import NRF5340, NRF52840, UNKNOWN_SOC, Soc
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.wires.probe import Core, ResetKind

PACKAGED = (
    "mps2_an385",
    "native_sim",
    "native_sim_shell",
    "native_sim_udp",
    "nrf52840dk",
    "nrf52840dk_sim",
    "nrf52dk_exec",
    "nrf5340dk",
    "nrf5340dk_exec",
    "nrf5340dk_mcuboot",
    "nrf5340dk_mcuboot_exec",
    "nrf5340dk_mcuboot_sim",
    "nrf5340dk_sim",
    "nrf5340dk_sim_netcore",
    "qemu_cortex_m0",
)

COMPLETE = r"""
name = "kit"
title = "A kit"
platforms = ["kit/soc/core"]
provider = "usb"

[probe]
recover = ["network", "application"]
reset = "pin"

[[memory]]
name = "flash"
start = 0x0
size = 0x100000
page_size = 0x1000

[[memory]]
name = "external flash"
start = 0x10000000
size = 0x800000
page_size = 0x1000

[slots]
primary = { address = 0x28000, size = 0x10000 }
secondary = { address = 0x10000000, size = 0x10000 }

[console]
baudrate = 115200

[radio]
kind = "ble"

[boot]
firmware_version = 'Firmware version (?P<version>\d+)'
app_ready = 'ready'

[timeouts]
boot_s = 30.0
connect_s = 30.0
swap_s = 180.0

[firmware]
source = "files"
"""


def board_file(folder: Path, content: str = COMPLETE, name: str = "kit") -> Path:
    """Write a board file; the content's name is made to fit."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(content.replace('name = "kit"', f'name = "{name}"'), encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    """The complete board file with one passage changed."""
    assert COMPLETE.count(old) == 1
    return COMPLETE.replace(old, new)


def refusal(name: str, *folders: Path) -> BoardFileError:
    """The error that loading this board gives; it says what, where and what next."""
    with pytest.raises(BoardFileError) as caught:
        load_board(name, folders)
    assert caught.value.what
    assert caught.value.where
    assert caught.value.next_step
    return caught.value


def mistake(folder: Path, content: str) -> BoardFileError:
    """The error that this content gives; it names the file."""
    path = board_file(folder, content)
    error = refusal("kit", folder)
    assert str(path) in error.where
    return error


# Good files.


def test_packaged_boards_are_those_of_the_manual() -> None:
    assert board_names([packaged_boards()]) == PACKAGED


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_board_loads(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    for slot in (board.slots.primary, board.slots.secondary, board.slots.s0, board.slots.s1):
        assert slot is None or board.region_of(slot.address, slot.size) is not None


def test_nrf5340dk_has_the_addresses_of_the_facts() -> None:
    slots = load_board("nrf5340dk").slots
    assert slots.s0 is not None
    assert slots.s1 is not None
    assert (slots.s0.address, slots.s0.size) == (0x8000, 0xC200)
    assert (slots.s1.address, slots.s1.size) == (0x18000, 0xC200)
    assert (slots.primary.address, slots.primary.size) == (0x28000, 0xD8000)
    assert (slots.secondary.address, slots.secondary.size) == (0x10000000, 0xD8000)
    assert slots.provisioning_address == 0xFF8100


@pytest.mark.parametrize("name", ["nrf5340dk", "nrf52840dk"])
def test_simulated_twin_differs_in_its_provider_and_source_only(name: str) -> None:
    kit, twin = load_board(name), load_board(f"{name}_sim")
    own = {"name", "title", "base", "platforms", "provider", "firmware", "sim"}
    # Nothing keeps a virtual application waiting, or those who ask it.
    own_of_both = {*own, "timeouts"}
    likened = twin.model_copy(
        update={"boot": twin.boot.model_copy(update={"settle_s": kit.boot.settle_s})}
    )
    assert likened.model_dump(exclude=own_of_both) == kit.model_dump(exclude=own_of_both)
    assert twin.timeouts.model_dump(exclude={"app_start_s"}) == kit.timeouts.model_dump(
        exclude={"app_start_s"}
    )
    assert (kit.provider, twin.provider) == ("usb", "sim")
    assert kit.simulated_twin == twin.name


@pytest.mark.parametrize(
    ("name", "soc", "socs", "memories"),
    [
        ("nrf5340dk", NRF5340, ("nRF5340_CPUAPP_QKAA", "nrf5340"), 5),
        ("nrf52840dk", NRF52840, ("nRF52840_QIAA", "nrf52840"), 2),
        ("qemu_cortex_m0", UNKNOWN_SOC, ("nrf51822",), 1),
    ],
)
def test_memories_and_names_come_from_the_soc(
    name: str, soc: Soc, socs: tuple[str, ...], memories: int
) -> None:
    """Of a board without one from its file."""
    board = load_board(name)
    assert (board.soc, board.manifest_socs) == (soc, socs)
    assert len(board.memory) == memories


def test_external_flash_is_as_large_as_the_file_says_or_as_slots_need(tmp_path: Path) -> None:
    """A secondary slot there needs no `external_flash`, which is the shell's."""
    head = 'name = "kit"\nbase = "nrf52840dk"\n'
    flash = '[external_flash]\nshell_device = "is25"\nsize = 0x1000000\nerase_timeout_s = 9.0\n'
    slots = "[slots]\nsecondary = { address = 0x12100000, size = 0x76000 }\n"
    for content, size_bytes in (
        (head, None),
        (head + flash, 0x1000000),
        (head + slots, 0x176000),
        (head + slots + flash, 0x1000000),
    ):
        board_file(tmp_path, content)
        assert load_board("kit", [tmp_path]).external_flash_bytes == size_bytes


def test_kit_of_an_older_board_file_is_an_nrf5340(tmp_path: Path) -> None:
    """It names no SoC, and its own memories stay."""
    board_file(tmp_path)
    board = load_board("kit", [tmp_path])
    assert board.soc is NRF5340
    assert [region.name for region in board.memory] == ["flash", "external flash"]


def test_unknown_soc_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """And with the key and the place of chips; not with the memories, which follow from it."""
    error = mistake(tmp_path, 'name = "kit"\nbase = "nrf52840dk"\nsoc = "nrf91"\n')
    assert "soc: names no chip" in error.what
    assert "boards/soc.py" in error.what
    assert "memory" not in error.what
    assert "known: nrf5340, nrf52840" in error.what


def test_own_board_is_read_with_its_defaults(tmp_path: Path) -> None:
    board_file(tmp_path)
    board = load_board("kit", [tmp_path])
    assert board.probe.recover == (Core.NETWORK, Core.APPLICATION)
    assert board.probe.reset is ResetKind.PIN
    assert board.boot.resets_until_new_mcuboot_runs == 2
    assert board.console.prompt is None
    assert board.slots.s0 is None


@pytest.mark.parametrize(
    ("address", "size_bytes", "region"),
    [
        (0, 0x100000, "flash"),
        (0xFFFFF, 1, "flash"),
        (0xFFFFF, 2, None),
        (0x100000, 1, None),
        (0x10000000, 0x800000, "external flash"),
        (0x0FFFFFFF, 2, None),
    ],
)
def test_region_of_a_range(
    tmp_path: Path, address: int, size_bytes: int, region: str | None
) -> None:
    board_file(tmp_path)
    found = load_board("kit", [tmp_path]).region_of(address, size_bytes)
    assert (found.name if found else None) == region


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("nrf5340dk/nrf5340/cpuapp", "nrf5340dk"),
        ("nrf5340dk_nrf5340_cpuapp", "nrf5340dk"),
        ("nrf5340dk/nrf5340/cpuapp/ns", "nrf5340dk"),
        ("nrf5340dk_nrf5340_cpuapp_ns", "nrf5340dk"),
        ("nrf5340dk@2.0.0/nrf5340/cpuapp", "nrf5340dk"),
        ("qemu_cortex_m0/nrf51822", "qemu_cortex_m0"),
    ],
)
def test_board_is_found_by_its_west_platform(platform: str, name: str) -> None:
    assert load_board(platform).name == name


def test_own_board_is_found_by_its_platform(tmp_path: Path) -> None:
    board_file(tmp_path)
    assert load_board("kit/soc/core", [tmp_path]).name == "kit"


def test_folder_of_the_user_shadows_the_packaged_board(tmp_path: Path) -> None:
    board_file(tmp_path, COMPLETE, "nrf5340dk")
    assert load_board("nrf5340dk", [tmp_path]).title == "A kit"
    assert load_board("nrf5340dk").title == "Nordic nRF5340 DK"


def test_shadowing_board_is_a_base_too(tmp_path: Path) -> None:
    board_file(tmp_path, COMPLETE, "nrf5340dk")
    assert load_board("nrf5340dk_sim", [tmp_path]).slots.primary.size == 0x10000


def test_first_folder_wins(tmp_path: Path) -> None:
    board_file(tmp_path / "first", changed("A kit", "First"))
    board_file(tmp_path / "second", changed("A kit", "Second"))
    folders = [tmp_path / "first", tmp_path / "second"]
    assert load_board("kit", folders).title == "First"
    assert load_board("kit", folders[::-1]).title == "Second"


def test_base_chain(tmp_path: Path) -> None:
    board_file(tmp_path, COMPLETE, "kit")
    (tmp_path / "slow.toml").write_text(
        'name = "slow"\nbase = "kit"\n[timeouts]\nboot_s = 5.0\nswap_s = 6.0\n', encoding="utf-8"
    )
    (tmp_path / "slower.toml").write_text(
        'name = "slower"\nbase = "slow"\nplatforms = []\n[timeouts]\nswap_s = 7.0\n',
        encoding="utf-8",
    )
    board = load_board("slower", [tmp_path])
    timeouts = board.timeouts
    assert (timeouts.boot_s, timeouts.swap_s, timeouts.connect_s) == (5.0, 7.0, 30.0)
    assert board.title == "A kit"
    # Lists are replaced, not joined.
    assert board.platforms == ()


def test_base_may_be_a_packaged_board(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nbase = "nrf5340dk"\n[slots]\nprovisioning_address = 0xFF8000\n',
        encoding="utf-8",
    )
    board = load_board("mine", [tmp_path])
    assert board.slots.provisioning_address == 0xFF8000
    assert board.slots.primary == load_board("nrf5340dk").slots.primary


# Boards that do not exist.


@pytest.mark.parametrize(
    ("wanted", "suggested"),
    [
        ("nrf5340dk_simm", "nrf5340dk_sim"),
        ("nrf5340", "nrf5340dk"),
        ("qemu_cortex", "qemu_cortex_m0"),
    ],
)
def test_unknown_name_suggests_a_close_one(wanted: str, suggested: str) -> None:
    error = refusal(wanted)
    assert repr(wanted) in error.what
    assert f"Did you mean {suggested}?" in error.what


@pytest.mark.parametrize("wanted", ["xyz", "", "../boards/nrf5340dk", "nrf5340dk.toml.bak/x"])
def test_unknown_name_lists_all_boards(wanted: str, tmp_path: Path) -> None:
    board_file(tmp_path)
    error = refusal(wanted, tmp_path)
    for name in (*PACKAGED, "kit"):
        assert name in error.next_step
    assert str(tmp_path) in error.where


def test_missing_folder_of_board_files(tmp_path: Path) -> None:
    error = refusal("nrf5340dk", tmp_path / "nowhere")
    assert error.where == str(tmp_path / "nowhere")
    assert "--board-dir" in error.next_step


# Mistakes in a file.


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ("title = ", "titel = ", "titel", ("title", "platforms", "provider", "slots")),
        ("baudrate = ", "baud = ", "console.baud", ("baudrate", "prompt")),
        ("swap_s = ", "swap_ms = ", "timeouts.swap_ms", ("boot_s", "connect_s", "swap_s")),
        (
            "size = 0x800000\npage_size",
            "size = 0x800000\npagesize",
            "memory.1.pagesize",
            ("name", "page_size", "size", "start"),
        ),
        (
            "{ address = 0x28000, size",
            "{ addr = 0x28000, size",
            "slots.primary.addr",
            ("address", "size"),
        ),
        (
            "[console]",
            "[external_flash]\ndevice = 'mx25'\n[console]",
            "external_flash.device",
            ("shell_device", "size", "erase_timeout_s"),
        ),
    ],
)
def test_unknown_key_is_named_with_the_allowed_ones(
    tmp_path: Path, old: str, new: str, key: str, allowed: tuple[str, ...]
) -> None:
    error = mistake(tmp_path, changed(old, new))
    (line,) = (line for line in error.what.splitlines() if "no such key" in line)
    assert f"{key}: " in line
    for name in allowed:
        assert name in line


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("baudrate = 115200", 'baudrate = "fast"', "console.baudrate", ("integer", "'fast'")),
        ("baudrate = 115200", "baudrate = 0", "console.baudrate", ("greater than 0",)),
        ("boot_s = 30.0", 'boot_s = "30"', "timeouts.boot_s", ("number", "'30'")),
        ("boot_s = 30.0", "boot_s = -1", "timeouts.boot_s", ("greater than 0",)),
        ("boot_s = 30.0", "boot_s = inf", "timeouts.boot_s", ("finite",)),
        ("boot_s = 30.0", "boot_s = nan", "timeouts.boot_s", ("finite",)),
        ('title = "A kit"', "title = 5", "title", ("string",)),
        ('title = "A kit"', "title = 2024-05-07", "title", ("string",)),
        ('platforms = ["kit/soc/core"]', 'platforms = "kit"', "platforms", ("array",)),
        ("[radio]\nkind = ", "[radio]\nmtu = 20\nkind = ", "radio.mtu", ("23",)),
        ('["network", "application"]', "[]", "probe.recover", ("at least 1",)),
        ("start = 0x0\n", "start = -1\n", "memory.0.start", ("greater than or equal to 0",)),
        ('name = "kit"', 'name = "kit"\nsim = 1', "sim", ("object",)),
    ],
)
def test_wrong_value_is_named(
    tmp_path: Path, old: str, new: str, key: str, said: tuple[str, ...]
) -> None:
    error = mistake(tmp_path, changed(old, new))
    (line,) = (line for line in error.what.splitlines() if line.strip().startswith(f"{key}: "))
    for text in said:
        assert text in line


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ('provider = "usb"', 'provider = "jtag"', "provider", ("usb", "sim", "qemu")),
        ('kind = "ble"', 'kind = "wifi"', "radio.kind", ("ble", "serial_over_console")),
        ('reset = "pin"', 'reset = "hard"', "probe.reset", tuple(kind.value for kind in ResetKind)),
        ('"network", "app', '"net", "app', "probe.recover.0", tuple(core.value for core in Core)),
        ('source = "files"', 'source = "web"', "firmware.source", ("files", "demo")),
    ],
)
def test_wrong_choice_lists_the_allowed_values(
    tmp_path: Path, old: str, new: str, key: str, allowed: tuple[str, ...]
) -> None:
    error = mistake(tmp_path, changed(old, new))
    (line,) = (line for line in error.what.splitlines() if line.strip().startswith(f"{key}: "))
    for value in allowed:
        assert f"'{value}'" in line


def test_missing_key_is_named(tmp_path: Path) -> None:
    error = mistake(tmp_path, changed("baudrate = 115200\n", ""))
    assert "console.baudrate: is missing" in error.what


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    content = changed("baudrate = 115200", "baudrate = 0").replace('"ble"', '"wifi"')
    error = mistake(tmp_path, content)
    assert "console.baudrate" in error.what
    assert "radio.kind" in error.what


def test_smpclient_distribution_needs_a_build(tmp_path: Path) -> None:
    error = mistake(tmp_path, changed('source = "files"', 'source = "smpclient_dist"'))
    assert "which build" in error.what
    assert "mps2_an385" in error.next_step


@pytest.mark.parametrize("pattern", ["(", "[a-", "a{99999999999}", "*x"])
def test_bad_regular_expression(tmp_path: Path, pattern: str) -> None:
    error = mistake(tmp_path, changed("app_ready = 'ready'", f"app_ready = '{pattern}'"))
    assert "boot.app_ready" in error.what
    assert "not a regular expression" in error.what


@pytest.mark.parametrize("pattern", [r"Firmware version (\d+)", "(?P<number>x)", "Firmware"])
def test_version_pattern_needs_its_group(tmp_path: Path, pattern: str) -> None:
    content = changed(r"Firmware version (?P<version>\d+)", pattern)
    error = mistake(tmp_path, content)
    assert "boot.firmware_version" in error.what
    assert "(?P<version>" in error.what


@pytest.mark.parametrize("provider", ["sim", "qemu"])
def test_provider_needs_its_section(tmp_path: Path, provider: str) -> None:
    error = mistake(tmp_path, changed('provider = "usb"', f'provider = "{provider}"'))
    assert f"[{provider}]" in error.what
    assert f"[{provider}]" in error.next_step


@pytest.mark.parametrize(
    "content", ["name = ", "name = kit", "[[[", '\x00name = "kit"', COMPLETE + "[radio]\n"]
)
def test_file_that_is_no_toml(tmp_path: Path, content: str) -> None:
    assert "not valid TOML" in mistake(tmp_path, content).what


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "kit.toml").write_bytes(b"\xff\xfe" + COMPLETE.encode("utf-16-le"))
    assert "not valid TOML" in refusal("kit", tmp_path).what


def test_empty_file_misses_everything(tmp_path: Path) -> None:
    error = mistake(tmp_path, "")
    assert "name: is missing" in error.what
    assert 'begins with base = "nrf5340dk"' in error.next_step


def test_name_must_be_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(COMPLETE, encoding="utf-8")
    error = refusal("other", tmp_path)
    assert "'kit'" in error.what
    assert "'other'" in error.what
    assert error.where == str(tmp_path / "other.toml")


def test_board_that_is_named_in_a_file_of_another_name(tmp_path: Path) -> None:
    """The user sees the name in the file, so "no such board" would be no answer."""
    (tmp_path / "FILE.toml").write_text(
        changed('name = "kit"', 'name = "other"').replace('["kit/soc/core"]', "[]"),
        encoding="utf-8",
    )
    board_file(tmp_path, name="unrelated")
    error = refusal("other", tmp_path)
    assert error.where == str(tmp_path / "FILE.toml")
    assert "must be the same" in error.what
    assert "other.toml" in error.next_step
    assert "--board=FILE" in error.next_step


def test_mistakes_are_compared_with_files_that_are_there(tmp_path: Path) -> None:
    """Whoever installed the package has no folder of it at hand."""
    error = mistake(tmp_path, changed("baudrate = 115200", "baudrate = 0"))
    _, _, folder = error.next_step.rpartition(" in ")
    for name in ("nrf5340dk.toml", "nrf5340dk_sim.toml"):
        assert name in error.next_step
        assert (Path(folder) / name).is_file()


def test_name_of_the_base_is_not_inherited_silently(tmp_path: Path) -> None:
    board_file(tmp_path)
    (tmp_path / "other.toml").write_text('base = "kit"\n', encoding="utf-8")
    assert "'other'" in refusal("other", tmp_path).what


@pytest.mark.parametrize("name", ["Kit", "my kit", "_kit", "käse"])
def test_name_is_made_of_small_letters_digits_and_underscores(tmp_path: Path, name: str) -> None:
    board_file(tmp_path, COMPLETE, name)
    assert "name: " in refusal(name, tmp_path).what


@pytest.mark.parametrize(
    "bases", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}]
)
def test_circle_of_bases(tmp_path: Path, bases: dict[str, str]) -> None:
    for name, base in bases.items():
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\nbase = "{base}"\n')
    error = refusal("a", tmp_path)
    assert "circle" in error.what
    for name in bases:
        assert str(tmp_path / f"{name}.toml") in error.where


def test_unknown_base(tmp_path: Path) -> None:
    error = mistake(tmp_path, changed('title = "A kit"', 'title = "A kit"\nbase = "nowhere"'))
    assert "'nowhere'" in error.what
    for name in PACKAGED:
        assert name in error.next_step


def test_mistake_in_a_base_is_told_with_the_board_that_uses_it(tmp_path: Path) -> None:
    board_file(tmp_path, changed("baudrate = 115200", "baudrate = 0"))
    (tmp_path / "mine.toml").write_text('name = "mine"\nbase = "kit"\n', encoding="utf-8")
    error = refusal("mine", tmp_path)
    assert "console.baudrate" in error.what
    assert str(tmp_path / "mine.toml") in error.where


def test_board_is_a_value(tmp_path: Path) -> None:
    first, second = (read_board_file(board_file(tmp_path), [tmp_path]) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


def test_users_board_may_extend_the_packaged_one_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "nrf5340dk.toml").write_text(
        'name = "nrf5340dk"\nbase = "nrf5340dk"\ntitle = "Ours"\n'
    )
    board = load_board("nrf5340dk", [tmp_path])
    assert board.title == "Ours"
    assert board.slots.primary.address == 0x28000


def test_timeouts_can_be_replaced() -> None:
    board = load_board("nrf5340dk_sim")
    changed = board.with_timeouts(probe_s=5, boot_s=None)
    assert changed.timeouts.probe_s == 5
    assert changed.timeouts.boot_s == board.timeouts.boot_s


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_timeout_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(BoardFileError, match="boot_s") as caught:
        load_board("nrf5340dk_sim").with_timeouts(probe_s=None, boot_s=seconds)
    assert "--base-timeout" in caught.value.where


@pytest.mark.parametrize(
    ("boot", "resets"),
    [
        ('ncs = "2.3"', 2),
        ('ncs = "2.6"', 2),
        ('ncs = "2.7"', 1),
        ('ncs = "2.7"\nbootloader_mode = "overwrite_only"', 1),
        ('ncs = "2.9"', 1),
        ('ncs = "3.0"', 1),
        ('ncs = "3.0"\nbootloader_mode = "overwrite_only"', 2),
        ('ncs = "2.3"\nmcuboot_update_resets = 1', 1),
    ],
)
def test_resets_until_a_new_mcuboot_runs(boot: str, resets: int, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        f'name = "mine"\ntitle = "mine"\nbase = "nrf5340dk"\nplatforms = []\n[boot]\n{boot}\n'
    )
    assert load_board("mine", [tmp_path]).boot.resets_until_new_mcuboot_runs == resets


# What a derived board file takes away.


def test_section_and_keys_of_the_base_are_taken_away(tmp_path: Path) -> None:
    """A kit without NSIB and without external flash, from the packaged one."""
    board_file(
        tmp_path,
        'name = "kit"\nbase = "nrf5340dk"\n'
        'remove = ["external_flash", "slots.s0", "slots.s1", "slots.provisioning_address"]\n',
    )
    board = load_board("kit", [tmp_path])
    assert board.external_flash is None
    assert (board.slots.s0, board.slots.s1) == (None, None)
    assert board.slots.primary == load_board("nrf5340dk").slots.primary


def test_section_can_be_replaced_whole(tmp_path: Path) -> None:
    """What is removed and given anew inherits nothing."""
    content = (
        'name = "kit"\nbase = "nrf5340dk"\nremove = ["slots"]\n[slots]\n'
        "primary = { address = 0x10000, size = 0x70000 }\n"
        "secondary = { address = 0x80000, size = 0x70000 }\n"
    )
    board_file(tmp_path, content)
    slots = load_board("kit", [tmp_path]).slots
    assert (slots.s0, slots.provisioning_address) == (None, None)
    assert slots.primary.address == 0x10000


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('remove = ["slots.s3"]', "'slots.s3' is not there to be removed"),
        ('remove = ["qemu"]', "'qemu' is not there to be removed: nrf5340dk.toml has none"),
        ('remove = ["slots.s0.size.x"]', "not there to be removed"),
        ('remove = "slots"', "remove: is no list of keys"),
        ("remove = [1]", "remove: is no list of keys"),
    ],
)
def test_what_is_not_there_cannot_be_removed(tmp_path: Path, line: str, said: str) -> None:
    error = mistake(tmp_path, f'name = "kit"\nbase = "nrf5340dk"\n{line}\n')
    assert said in error.what


@pytest.mark.parametrize("key", ["slots", "slots.primary", "radio"])
def test_what_is_needed_is_not_only_taken_away(tmp_path: Path, key: str) -> None:
    """Something of the user's own must take its place."""
    error = mistake(tmp_path, f'name = "kit"\nbase = "nrf5340dk"\nremove = ["{key}"]\n')
    assert f"{key}: remove takes it away, and a board needs it" in error.what


def test_nothing_can_be_removed_without_a_base(tmp_path: Path) -> None:
    error = mistake(tmp_path, 'remove = ["slots.s0"]\n' + COMPLETE)
    assert "it has no `base`" in error.what


def test_s_slots_of_different_size_are_a_mistake(tmp_path: Path) -> None:
    content = """name = "kit"
title = "A kit"
base = "nrf5340dk"
[slots]
s1 = { address = 0x18000, size = 0xC000 }
"""
    error = mistake(tmp_path, content)
    assert "s0 has 0xc200 bytes and s1 0xc000" in error.what


def test_mcuboot_alone_has_nothing_of_nsib() -> None:
    board = load_board("nrf5340dk_mcuboot")
    slots = board.slots
    assert (slots.s0, slots.s1, slots.provisioning_address) == (None, None, None)
    assert (slots.primary.address, slots.primary.size) == (0xC000, 0xF2000)
    assert (board.boot.firmware_version, board.boot.bootloader_version) == (None, None)
    assert load_board("nrf5340dk_mcuboot_sim").slots == slots


def test_network_core_lies_where_ncs_puts_it_or_the_board_file_says(tmp_path: Path) -> None:
    usual = load_board("nrf5340dk")
    assert usual.network_firmware == Slot(address=0x01008800, size=0x37800)
    assert usual.network_provisioning == 0x01008580
    path = board_file(
        tmp_path,
        'name = "kit"\ntitle = "A kit"\nbase = "nrf5340dk"\n'
        "[slots]\nnetwork = { address = 0x01010800, size = 0x8000 }\n",
    )
    named = read_board_file(path, [tmp_path, packaged_boards()])
    assert named.network_firmware == Slot(address=0x01010800, size=0x8000)
    assert named.network_provisioning == 0x01010580


# What cannot be true, although each value is of its type.

TWO_MEMORIES = """
[[memory]]
name = "flash"
start = 0x0
size = 0x2000000
page_size = 0x1000

[[memory]]
name = "external flash"
start = 0x1000000
size = 0x1f000000
page_size = 0x1000
"""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "[slots]\nprimary = { address = 0x8000, size = 0xD8000 }",
            "slots.primary: 0x8000-0xe0000 overlaps slots.s0, 0x8000-0x14200",
        ),
        (
            "[slots]\nsecondary_network = { address = 0x10080000, size = 0x40000 }",
            "slots.secondary: 0x10000000-0x100d8000 overlaps slots.secondary_network",
        ),
        (
            "[slots]\nsecondary = { address = 0x20000000, size = 0x1000 }",
            "slots.secondary: 0x20000000-0x20001000 lies in no memory of the board",
        ),
        (
            "[slots]\nprimary = { address = 0xF0000, size = 0x20000 }",
            "slots.primary: 0xf0000-0x110000 lies in no memory",
        ),
        ("[slots]\nprovisioning_address = 0xF00000", "slots.provisioning_address: 0xf00000 lies"),
        (
            "[slots]\nscratch = { address = 0xF0000, size = 0x10000 }",
            "slots.primary: 0x28000-0x100000 overlaps slots.scratch, 0xf0000-0x100000",
        ),
        (
            "[slots]\nnetwork = { address = 0x1010000, size = 0x40000 }",
            "slots.network: 0x1010000-0x1050000 lies in no memory",
        ),
        (
            "[slots]\nprovisioning_address = 0x30000",
            "slots.provisioning_address: 0x30000 lies in slots.primary, 0x28000-0x100000",
        ),
        (
            "[slots]\nnetwork_provisioning_address = 0x2000000",
            "slots.network_provisioning_address: 0x2000000 lies in no memory",
        ),
        ('remove = ["slots.s0"]', "slots.s1: NSIB needs slots.s0 as well"),
        (
            'remove = ["slots.provisioning_address"]',
            "slots.s0: NSIB needs slots.provisioning_address as well",
        ),
        (
            TWO_MEMORIES,
            "memory: flash 0x0-0x2000000 overlaps external flash 0x1000000-0x20000000",
        ),
        ('[radio]\nkind = "serial"', "radio.vcom: missing; which of the kit's serial ports"),
        ("[radio]\nvcom = 1", "radio.vcom: is for a kit with radio.kind = 'serial', not 'ble'"),
        (
            '[radio]\nkind = "serial_over_console"\npairing = "passkey"',
            "radio.pairing: 'passkey' is for radio.kind = 'ble', not 'serial_over_console'",
        ),
        ("[radio]\nbluetooth = false", "radio.bluetooth: false is for another radio.kind"),
        (
            '[radio]\nkind = "serial_over_console"\nhost = "bumble:usb:0"',
            "radio.host: 'bumble:usb:0' is for radio.kind = 'ble'",
        ),
        ('[firmware]\nsource = "demo"', "only the virtual kit boots it; provider is 'usb'"),
        (
            '[firmware]\nsource = "smpclient_dist"\nbuild = "mps2_an385"',
            "has firmware for QEMU and native_sim only; provider is 'usb'",
        ),
        ('simulated_twin = "kit_simm"', "simulated_twin: there is no board named 'kit_simm'"),
        ('remove = ["slots.s1"]', "slots.s0: NSIB needs slots.s1 as well"),
        ("[external_flash]\nsize = 0x20000000", "external_flash.size: 0x20000000 is more than"),
        ('[radio]\nkind = "udp"', "provider 'usb' reaches no board by 'udp'"),
    ],
)
def test_what_cannot_be_true(tmp_path: Path, lines: str, said: str) -> None:
    error = mistake(tmp_path, f'name = "kit"\nbase = "nrf5340dk"\n{lines}\n')
    assert said in error.what


def test_all_that_cannot_be_true_is_said_at_once(tmp_path: Path) -> None:
    """One run for each mistake would be many runs."""
    lines = '[slots]\nprimary = { address = 0x8000, size = 0xF8000 }\n[radio]\nkind = "udp"\n'
    what = mistake(tmp_path, f'name = "kit"\nbase = "nrf5340dk"\n{lines}').what
    assert all(f"overlaps slots.{one}" in what for one in ("s0", "s1"))
    assert "radio.kind" in what


@pytest.mark.parametrize(
    ("base", "lines", "said"),
    [
        ("qemu_cortex_m0", '[radio]\nkind = "serial"', "'serial' does not fit qemu.log_uart = 0"),
        ("mps2_an385", '[radio]\nkind = "serial_over_console"', "qemu.smp_uart = 0"),
        ("qemu_cortex_m0", '[radio]\nkind = "ble"', "provider 'qemu' reaches no board by 'ble'"),
        ("native_sim", '[radio]\nkind = "ble"', "provider 'native_sim' reaches no board by 'ble'"),
        ("mps2_an385", "[radio]\nvcom = 1", "radio.vcom: is for a kit"),
        ("nrf5340dk_sim", '[radio]\nkind = "serial"', "radio.vcom: missing"),
        ("nrf5340dk_sim", '[radio]\nkind = "udp"', "provider 'sim' reaches no board by 'udp'"),
    ],
)
def test_wire_that_the_provider_has_not(tmp_path: Path, base: str, lines: str, said: str) -> None:
    assert said in mistake(tmp_path, f'name = "kit"\nbase = "{base}"\n{lines}\n').what


def test_twin_may_be_the_users_own_board(tmp_path: Path) -> None:
    board_file(tmp_path, 'name = "kit"\nbase = "nrf5340dk"\nsimulated_twin = "kit_sim"\n')
    (tmp_path / "kit_sim.toml").write_text('name = "kit_sim"\nbase = "nrf5340dk_sim"\n')
    assert load_board("kit", [tmp_path]).simulated_twin == "kit_sim"


def _mine(folder: Path, text: str) -> BoardType:
    (folder / "mine.toml").write_text(f'name = "mine"\nbase = "nrf5340dk"\n{text}')
    return load_board("mine", [folder])


@pytest.mark.parametrize(
    "port",
    [
        "/dev/ttyUSB0",
        "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1-if00-port0",
        "COM7",
        "socket://bench-3:4001",
        "rfc2217://192.0.2.7:2217?ign_set_control",
        "rfc2217://[2001:db8::7]:2217",
        "hwgrep://0403:6001.*SER=A1&n=2",
    ],
)
def test_console_port(tmp_path: Path, port: str) -> None:
    assert _mine(tmp_path, f"[console]\nport = '{port}'\n").console.port == port


@pytest.mark.parametrize(
    "port",
    [
        *("", " /dev/ttyUSB0", "socket://bench", "rfc2217://:2217", "telnet://bench:23"),
        *("hwgrep://", "hwgrep://FT232(R"),
    ],
)
def test_console_port_that_is_none(tmp_path: Path, port: str) -> None:
    with pytest.raises(BoardFileError, match=r"console\.port"):
        _mine(tmp_path, f"[console]\nport = '{port}'\n")


def test_console_of_the_command_line_wins(tmp_path: Path) -> None:
    board = _mine(tmp_path, '[console]\nport = "COM7"\n')
    assert board.with_console(port=None, baudrate=None) == board
    other = board.with_console(port="socket://a:1", baudrate=9600).console
    assert (other.port, other.baudrate) == ("socket://a:1", 9600)
    for port, baudrate in (("socket://a", None), (None, 0)):
        with pytest.raises(BoardFileError, match="not usable"):
            board.with_console(port=port, baudrate=baudrate)


@pytest.mark.parametrize(("passkey", "fixed"), [("246810", 246810), ("000042", 42)])
def test_fixed_passkey(tmp_path: Path, passkey: str, fixed: int) -> None:
    assert _mine(tmp_path, f'[radio]\npasskey = "{passkey}"\n').radio.fixed_passkey == fixed
    assert load_board("nrf5340dk").radio.fixed_passkey is None


@pytest.mark.parametrize("passkey", ["12345", "1234567", "Passkey: .*"])
def test_passkey_that_is_none(tmp_path: Path, passkey: str) -> None:
    with pytest.raises(BoardFileError, match=r"radio\.passkey"):
        _mine(tmp_path, f"[radio]\npasskey = '{passkey}'\n")
