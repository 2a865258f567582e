"""Names on the wire, declared beside the fields that have them."""

from collections.abc import Mapping

_REST, _SOCKET = "rest", "socket"


def wire(name: str = "", *, rest: str = "", socket: str = "") -> Mapping[str, str]:
    """Return the metadata of a field whose name on the wire is not its own in camelCase.

    `name` holds everywhere; `rest` and `socket` hold on one surface, where surfaces differ.
    """
    names = {_REST: rest or name, _SOCKET: socket or name}
    return {surface: given for surface, given in names.items() if given}
