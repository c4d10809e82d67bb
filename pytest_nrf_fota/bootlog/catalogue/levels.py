"""How lines show their level, in Zephyr's log formats and MCUboot's: text that names no line."""

import re

APP_LOG = re.compile(r"<(?:err|wrn|inf|dbg)> (?!mcuboot: )\w+: ")
"""`<inf> module: text`, as applications log; MCUboot's own module is left out."""

LEVEL_LINE = re.compile(r"^(?:<\w{3}> \w+: |[IWE]: )")
"""Any level, without the board's time stamp."""
