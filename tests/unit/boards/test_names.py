"""Names of one board in all spellings, and those of its neighbours."""

import pytest

from pytest_nrf_fota.boards.names import is_same_board

KNOWN = ("nrf5340dk_nrf5340_cpuapp", "nrf5340dk/nrf5340/cpuapp")
ALL_KNOWN = pytest.mark.parametrize("known", [KNOWN, KNOWN[:1], KNOWN[1:], ("nrf5340dk",)])


@pytest.mark.parametrize("name", ["nrf5340dk", "NRF5340DK", "nrf5340dk@2.0.0"])
@ALL_KNOWN
def test_board_alone_means_each_of_its_cores(name: str, known: tuple[str, ...]) -> None:
    assert is_same_board(name, known)
    assert is_same_board(name, known, is_for_network_core=True)


@pytest.mark.parametrize(
    "name",
    [
        "nrf5340dk_nrf5340_cpuapp",
        "nrf5340dk_nrf5340_cpuapp_ns",
        "nrf5340dk_nrf5340_cpuapp@1.0.0",
        "nrf5340dk/nrf5340/cpuapp",
        "nrf5340dk/nrf5340/cpuapp/ns",
        "nrf5340dk@2.0.0/nrf5340/cpuapp",
        "nrf5340dk@0.11.0/nrf5340/cpuapp/ns",
    ],
)
@ALL_KNOWN
def test_application_core(name: str, known: tuple[str, ...]) -> None:
    assert is_same_board(name, known)
    assert not is_same_board(name, known, is_for_network_core=True)


@pytest.mark.parametrize("name", ["nrf5340dk_nrf5340_cpunet", "nrf5340dk@2.0.0/nrf5340/cpunet"])
@ALL_KNOWN
def test_network_core(name: str, known: tuple[str, ...]) -> None:
    assert is_same_board(name, known, is_for_network_core=True)
    assert not is_same_board(name, known)


@pytest.mark.parametrize(
    "name",
    [
        "thingy53",
        "thingy53/nrf5340/cpuapp",
        "thingy53_nrf5340_cpuapp_ns",
        "nrf52840dk",
        "nrf5340_audio_dk",
        "nrf5340_audio_dk/nrf5340/cpuapp",
        "nrf5340dk/nrf5341/cpuapp",
        "nrf5340dk2",
        "nrf5340",
        "@",
    ],
)
def test_other_board(name: str) -> None:
    assert not is_same_board(name, KNOWN)
    assert not is_same_board(name, KNOWN, is_for_network_core=True)


def test_other_soc_of_one_board_is_another_target() -> None:
    """Zephyr's nrf54l15dk is built for three SoCs."""
    assert not is_same_board("nrf54l15dk/nrf54l05/cpuapp", ("nrf54l15dk/nrf54l15/cpuapp",))
    assert is_same_board("nrf54l15dk", ("nrf54l15dk/nrf54l15/cpuapp",))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("feather_nrf52840", "feather_nrf52840/nrf52840"),
        ("feather_nrf52840", "feather_nrf52840"),
        ("my_nrf53_board", "my_nrf53_board/nrf5340/cpuapp"),
        ("my_nrf53_board_nrf5340_cpuapp", "my_nrf53_board"),
        ("nrf52840dk", "nrf52840dk_nrf52840"),
        ("native_sim", "native_sim/native"),
    ],
)
def test_board_with_an_nrf_in_its_name(name: str, known: str) -> None:
    assert is_same_board(name, (known,))
