"""Leases places of a labgrid coordinator for another process, and gives them back when it ends.

    python run.py HOST:PORT OWNER RENEW_S

It runs by path, with any Python that has labgrid (26 or newer) and nothing else that it needs:
labgrid brings a pyserial of its own, a pytest plugin and an exception hook, none of which belongs
into pytest's process. Requests are JSON objects, one a line, on the standard input; answers and
events are lines of the standard output (`messages.py` has their types); the log is the standard
error.

All places are released when the standard input ends, so also when the process that asked is killed.
labgrid itself never ends a lease, and no listing shows whether its owner lives. So this process
renews its leases: every RENEW_S seconds it allows itself to use each of them, which changes
nothing but when the place changed last. `reap` watches for owners of this kind who do not.

Nothing waits without a limit: each call to the coordinator has one, each request brings its own.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The package is found by this file's path, and only while it is imported: what lies beside it
    # is for another Python. It needs nothing but the standard library.
    sys.path[0] = str(Path(__file__).parents[4])
    from pytest_nrf_fota.farm.labgrid.broker.serve import main

    del sys.path[0]
    sys.exit(main(sys.argv[1:]))
