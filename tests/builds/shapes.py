"""The kinds of builds that people have, as a table."""

from pytest_nrf_fota.boards.board import Slot, Slots
from pytest_nrf_fota.boards.soc import NRF52840

from .west_build import EXTERNAL, Shape

_NSIB_SLOTS = Slots(
    primary=Slot(address=0x28000, size=0xD8000),
    secondary=Slot(address=EXTERNAL, size=0xD8000),
    s0=Slot(address=0x8000, size=0xC200),
    s1=Slot(address=0x18000, size=0xC200),
    provisioning_address=0xFF8100,
)
# Another layout than the packaged board's, as a pm_static.yml makes it.
_OWN_NSIB_SLOTS = Slots(
    primary=Slot(address=0x2C000, size=0xD0000),
    secondary=Slot(address=EXTERNAL + 0x100000, size=0xD0000),
    s0=Slot(address=0x9000, size=0xF000),
    s1=Slot(address=0x1A000, size=0xF000),
    provisioning_address=0xFF8100,
)
_ALONE = Slots(
    primary=Slot(address=0xC000, size=0xF0000), secondary=Slot(address=EXTERNAL, size=0xF0000)
)
_INTERNAL = Slots(
    primary=Slot(address=0x10000, size=0x70000), secondary=Slot(address=0x80000, size=0x70000)
)
# As public projects with a file system before the slots have it.
_AT_AN_OFFSET = Slots(
    primary=Slot(address=0xC000, size=0xF0000),
    secondary=Slot(address=EXTERNAL + 0x6E0000, size=0xF0000),
)
_WITH_NETWORK_SLOTS = Slots(
    primary=Slot(address=0x10000, size=0xF0000),
    secondary=Slot(address=EXTERNAL, size=0xF0000),
    secondary_network=Slot(address=EXTERNAL + 0xF0000, size=0x40000),
)
_OLD = ("nrf5340dk_nrf5340_cpuapp", "nrf5340dk_nrf5340_cpuapp", "nrf5340dk_nrf5340_cpunet")
_OLD_NS = ("nrf5340dk_nrf5340_cpuapp_ns", "nrf5340dk_nrf5340_cpuapp_ns", "nrf5340dk_nrf5340_cpunet")
_NEW = ("nrf5340dk", "nrf5340dk", "nrf5340dk/nrf5340/cpunet")
_LONG_NS = ("nrf5340dk", "nrf5340dk/nrf5340/cpuapp/ns", "nrf5340dk/nrf5340/cpunet")
_NRF52840 = ("nrf52840dk", "nrf52840dk", "")
_BANNER_2_3 = "*** Booting Zephyr OS build v3.2.99-ncs2 ***"
_BANNER_2_6 = "*** Booting nRF Connect SDK v3.5.99-ncs1 ***"
_BANNER_2_7 = "*** Using nRF Connect SDK v2.7.0-5cb85570ca43 ***"
_BANNER_2_9 = "*** Using nRF Connect SDK v2.9.0-7787b2649840 ***"
_BANNER_3_0 = "*** Using nRF Connect SDK v3.0.0-3bfc46578e42 ***"
_BANNER_3_1 = "*** Using nRF Connect SDK v3.1.0-6c6e5b32496e ***"
_BANNER_ZEPHYR = "*** Using Zephyr OS build v4.1.0 ***"

SHAPES = (
    Shape("ncs-2.3-nsib", "child images", "2.3", _BANNER_2_3, *_OLD, _NSIB_SLOTS),
    Shape("ncs-2.6-nsib-own-layout", "child images", "2.6", _BANNER_2_6, *_OLD, _OWN_NSIB_SLOTS),
    Shape("ncs-2.6-alone-ns", "child images", "2.6", _BANNER_2_6, *_OLD_NS, _ALONE),
    Shape(
        "ncs-2.6-network-slots",
        "child images",
        "2.6",
        _BANNER_2_6,
        *_OLD,
        _WITH_NETWORK_SLOTS,
        "overwrite_only",
    ),
    Shape("ncs-2.7-nsib", "sysbuild", "2.7", _BANNER_2_7, *_NEW, _NSIB_SLOTS),
    Shape("ncs-2.9-nsib-own-layout", "sysbuild", "2.9", _BANNER_2_9, *_NEW, _OWN_NSIB_SLOTS),
    Shape("ncs-2.9-alone-offset-slot", "sysbuild", "2.9", _BANNER_2_9, *_NEW, _AT_AN_OFFSET),
    Shape("ncs-3.0-nsib", "sysbuild", "3.0", _BANNER_3_0, *_NEW, _NSIB_SLOTS),
    Shape(
        "ncs-3.0-overwrite-only",
        "sysbuild",
        "3.0",
        _BANNER_3_0,
        *_NEW,
        _WITH_NETWORK_SLOTS,
        "overwrite_only",
    ),
    Shape("ncs-3.1-alone-ns", "sysbuild", "3.0", _BANNER_3_1, *_LONG_NS, _ALONE),
    Shape(
        *("ncs-2.9-nrf52840", "sysbuild", "2.9", _BANNER_2_9, *_NRF52840, _INTERNAL, "swap_move"),
        soc=NRF52840,
    ),
    Shape(
        *("zephyr-nrf52840", "zephyr", "2.9", _BANNER_ZEPHYR, *_NRF52840, _INTERNAL, "swap_move"),
        soc=NRF52840,
    ),
    Shape("zephyr-internal", "zephyr", "2.3", _BANNER_ZEPHYR, *_NEW, _INTERNAL),
    Shape("zephyr-external", "zephyr", "2.3", _BANNER_ZEPHYR, *_NEW, _ALONE),
)
