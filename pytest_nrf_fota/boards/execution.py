"""Whether a virtual kit executes the machine code of bootloaders."""

from enum import Enum


class Execution(Enum):
    """How a virtual kit boots.

    OFF: models of the bootloaders.
    ON: the machine code in its flash; where that needs hardware that is not modelled, the boot ends
        and says so.
    ELSE_MODEL: the same, but there the model boots instead.
    """

    OFF = "off"
    ON = "on"
    ELSE_MODEL = "else_model"
