"""labgrid's own client, with the resource class of a kit known to it.

Run by path, by a Python that has labgrid; it takes labgrid-client's arguments.
"""

import sys


def main() -> None:
    """What labgrid-client does. A place with a resource of an unknown class is an error there."""
    import attr
    from labgrid.factory import target_factory
    from labgrid.remote import client
    from labgrid.resource.common import Resource

    kit = type("NrfDevKit", (Resource,), {"serial_number": attr.ib(default="", converter=str)})
    target_factory.reg_resource(attr.s(eq=False)(kit))
    sys.exit(client.main())


if __name__ == "__main__":
    # What lies beside this file is for another Python.
    del sys.path[0]
    main()
