"""The application's UART as a host sees it: prompt, echo, log lines in between."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.sim.app.terminal import Terminal
from pytest_nrf_fota.sim.clock import VirtualClock

PROMPT = "\x1b[1;32muart:~$ \x1b[m"
BACKSPACE = "\x1b[1D\x1b[J"


class Host:
    """Collects what the terminal sends, and the commands that it hands on."""

    def __init__(self, *, shows_prompt: bool = True) -> None:
        self._sent = bytearray()
        self.commands: list[str] = []
        self.clock = VirtualClock()
        self.terminal = Terminal(self._sent.extend, self.clock, self.commands.append)
        if shows_prompt:
            self.terminal.show_prompt()
            self.take()

    def take(self) -> str:
        """What was sent since the last call."""
        text = self._sent.decode()
        self._sent.clear()
        return text

    def type(self, text: str) -> str:
        self.terminal.receive(text.encode())
        return self.take()


def test_the_prompt_is_green() -> None:
    host = Host(shows_prompt=False)

    host.terminal.show_prompt()

    assert host.take() == PROMPT


class TestTyping:
    def test_every_character_is_echoed(self) -> None:
        host = Host()

        assert host.type("ver") == "ver"
        assert host.type("sion") == "sion"
        assert host.commands == []

    @pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"])
    def test_a_line_end_hands_the_command_on_once(self, line_end: str) -> None:
        host = Host()

        assert host.type(f"version{line_end}") == "version\r\n"
        host.terminal.show_prompt()

        assert host.commands == ["version"]
        assert host.take() == PROMPT

    def test_cr_and_lf_in_two_pieces_are_one_line_end(self) -> None:
        host = Host()

        host.type("version\r")
        host.terminal.show_prompt()
        host.take()

        assert host.type("\n") == ""
        assert host.type("again\r\n") == "again\r\n"

    def test_empty_lines_only_draw_the_prompt_again(self) -> None:
        host = Host()

        assert host.type("\r") == f"\r\n{PROMPT}"
        assert host.type("   \r") == f"   \r\n{PROMPT}"
        assert host.commands == []

    def test_surrounding_spaces_do_not_belong_to_the_command(self) -> None:
        host = Host()

        host.type("  device list \r")

        assert host.commands == ["device list"]

    @pytest.mark.parametrize("key", ["\x7f", "\x08"])
    def test_backspace_takes_the_last_character_back(self, key: str) -> None:
        host = Host()
        host.type("flash ereas")

        assert host.type(key * 3) == BACKSPACE * 3
        host.type("ase\r")

        assert host.commands == ["flash erase"]

    def test_backspace_stops_at_the_prompt(self) -> None:
        host = Host()

        assert host.type("a\x7f\x7f\x7f") == f"a{BACKSPACE}"

    def test_control_characters_are_neither_echoed_nor_kept(self) -> None:
        host = Host()

        assert host.type("ver\x00\x03\x1b\x80sion\r") == "version\r\n"
        assert host.commands == ["version"]

    def test_of_what_arrives_at_once_the_ring_keeps_64_bytes(self) -> None:
        host = Host()
        text = "".join(chr(0x41 + index % 26) for index in range(70))

        assert host.type(text) == text[:64]
        assert host.type("!\r") == "!\r\n"
        assert host.commands == [f"{text[:64]}!"]

    def test_a_command_has_at_most_256_characters(self) -> None:
        host = Host()

        for _ in range(6):
            host.type("x" * 64)
        host.type("\r")

        assert host.commands == ["x" * 256]

    def test_while_a_command_runs_another_waits_unechoed(self) -> None:
        host = Host()
        host.type("first\r")

        assert host.type("second") == ""
        host.terminal.show_prompt()

        assert host.take() == f"{PROMPT}second"
        host.type("\r")
        assert host.commands == ["first", "second"]

    @given(st.lists(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)), max_size=5))
    @settings(deadline=None)
    def test_the_echo_is_what_was_typed(self, pieces: list[str]) -> None:
        host = Host()

        echo = "".join(host.type(piece[:40]) for piece in pieces)

        assert echo == "".join(piece[:40] for piece in pieces)


class TestPrinting:
    def test_before_the_first_prompt_lines_stand_alone(self) -> None:
        host = Host(shows_prompt=False)

        host.terminal.print("Bluetooth initialized")

        assert host.take() == "Bluetooth initialized\r\n"

    def test_a_line_takes_the_prompt_away_and_draws_it_again(self) -> None:
        host = Host()

        host.terminal.print("Connected")

        assert host.take() == f"\x1b[8D\x1b[JConnected\r\n{PROMPT}"

    def test_half_a_command_survives_a_line(self) -> None:
        host = Host()
        host.type("flash er")

        host.terminal.print("Connected")

        assert host.take() == f"\x1b[16D\x1b[JConnected\r\n{PROMPT}flash er"
        host.type("ase\r")
        assert host.commands == ["flash erase"]

    def test_output_of_a_command_does_not_touch_the_prompt(self) -> None:
        host = Host()
        host.type("version\r")

        host.terminal.print("Zephyr version 3.2.99")

        assert host.take() == "Zephyr version 3.2.99\r\n"

    def test_errors_are_red(self) -> None:
        host = Host(shows_prompt=False)

        host.terminal.error("Missing address.")

        # As Zephyr 4.4 sends it: the colour ends behind the line end.
        assert host.take() == "\x1b[1;31mMissing address.\r\n\x1b[m"

    def test_warnings_are_yellow(self) -> None:
        host = Host(shows_prompt=False)

        host.terminal.warn("invalid argument!")

        assert host.take() == "\x1b[1;33minvalid argument!\r\n\x1b[m"

    def test_a_log_line_has_time_level_module_and_function(self) -> None:
        host = Host(shows_prompt=False)
        host.clock.advance(3723.5)

        host.terminal.log("mcuboot_util", "boot_swap_type_multi", "Swap type: none")

        assert re.fullmatch(
            r"\[01:02:0\d\.\d{3},\d{3}\] <inf> mcuboot_util: boot_swap_type_multi: "
            r"Swap type: none\r\n",
            host.take(),
        )

    def test_the_log_counts_from_the_start_of_the_application(self) -> None:
        clock = VirtualClock()
        clock.advance(3600.0)
        sent = bytearray()
        terminal = Terminal(sent.extend, clock, lambda command: None)

        terminal.log("module", "function", "text")

        assert sent.startswith(b"[00:00:0")
