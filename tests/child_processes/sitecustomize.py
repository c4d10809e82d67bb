"""Python loads this at the start of each process that a test starts (`conftest.py`).

Such a process lives for a second and keeps nearly all that it makes; looking for garbage in it was
a sixth of its time.
"""

import gc

gc.set_threshold(50_000, 10, 10)
