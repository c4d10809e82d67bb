"""What `nrf-fota hci-dongle` makes an HCI controller."""

from enum import Enum

from typing_extensions import assert_never


class HciTarget(Enum):
    """What becomes an HCI controller."""

    NRF52840DK = "nrf52840dk"
    NRF5340DK = "nrf5340dk"
    NRF52DK = "nrf52dk"
    NRF52840DONGLE = "nrf52840dongle"

    @property
    def radio(self) -> str:
        """What to give as `--radio` afterwards."""
        match self:
            case HciTarget.NRF52840DK | HciTarget.NRF5340DK | HciTarget.NRF52840DONGLE:
                return "bumble:usb:0"
            case HciTarget.NRF52DK:
                return "bumble:serial:/dev/ttyACM0,1000000,rtscts"
            case _:
                assert_never(self)

    @property
    def runners(self) -> tuple[str, ...]:
        """Tools that can flash it here, as `--runner` names them. Raises `ExtensionError`."""
        # Imported late: the command line's help imports this module.
        from pytest_nrf_fota.boards.traits import ANY_TOOL
        from pytest_nrf_fota.probe.choose import probe_tools

        match self:
            case HciTarget.NRF5340DK:
                return (ANY_TOOL, *probe_tools())
            case HciTarget.NRF52840DK | HciTarget.NRF52DK | HciTarget.NRF52840DONGLE:
                return (ANY_TOOL, "nrfutil")
            case _:
                assert_never(self)
