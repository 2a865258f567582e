"""Strings that must never be shown."""

from typing import NoReturn


class Secret(str):
    """A token, a password, or a header with a token: a string whose `repr` hides it.

    Mappings of headers and the arguments in a traceback are shown with `repr`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide the value."""
        return "<secret>"

    def __deepcopy__(self, _: object) -> "Secret":
        """Return the secret itself: a copy in memory is hidden too."""
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled, so that it stays in the process."""
        raise TypeError("a secret is not pickled")
