"""Names on the wire, declared beside the fields."""

from collections.abc import Mapping

_REST, _SOCKET = "rest", "socket"


def wire(name: str = "", *, rest: str = "", socket: str = "") -> Mapping[str, str]:
    """Return the metadata of a field whose name on the wire is not its own name in camelCase.

    `name` is for both transports; `rest` and `socket` are for one, where the two differ.
    """
    names = {_REST: rest or name, _SOCKET: socket or name}
    return {transport: given for transport, given in names.items() if given}
