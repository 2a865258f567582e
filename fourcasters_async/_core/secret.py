"""Strings that must never be shown."""

from typing import NoReturn


class Secret(str):
    """A token, or a header that holds one: a string to those who send it, opaque to all else.

    Where a mapping of headers or a frame's arguments are shown, it is `repr` that shows them.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide the value."""
        return "<secret>"

    def __deepcopy__(self, _: object) -> "Secret":
        """Return the secret itself: copies in memory are as hidden as it is."""
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to leave the process."""
        raise TypeError("a secret is not pickled")
