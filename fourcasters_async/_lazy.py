"""Names of a package that are imported once they are asked for.

To make a record class takes up to some milliseconds, and a program uses few of them. One that has
to cancel at once should not wait for the others.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module


def homes_of(names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the module of each name, from the names of each module; a module is a name too."""
    return {name: module for module in names for name in (module, *names[module])}


def from_home(package: str, homes: Mapping[str, str], name: str) -> object:
    """Import a name from its module, and keep it in the package: for `__getattr__` of a package.

    Raises `AttributeError` for a name that the package does not have.
    """
    home = homes.get(name)
    if home is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    module = import_module(f"{package}.{home}")
    value: object = module if name == home else getattr(module, name)
    setattr(sys.modules[package], name, value)
    return value
