"""Strings that must never be shown."""

from typing import Any, NoReturn, SupportsIndex, overload

_HIDDEN = "<secret>"


class Secret(str):
    """A token, a password, or a header with a token: a string whose `repr` hides it.

    Mappings of headers and the arguments in a traceback are shown with `repr`, and what shows a
    long string cuts it first: a part of a secret is a secret too.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide the value."""
        return _HIDDEN

    def __getitem__(self, key: SupportsIndex | slice) -> "Secret":
        """Return a part of it, which is hidden as well."""
        return Secret(super().__getitem__(key))

    def __add__(self, other: str) -> "Secret":
        """Return it with something after it, which is hidden as well."""
        return Secret(super().__add__(other))

    def __radd__(self, other: str) -> "Secret":
        """Return it with something before it, which is hidden as well."""
        return Secret(other.__add__(self))

    def __deepcopy__(self, _: object) -> "Secret":
        """Return the secret itself: a copy in memory is hidden too."""
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled, so that it stays in the process."""
        raise TypeError("a secret is not pickled")


class SecretBytes(bytes):
    """Bytes with a secret, such as the body of a login."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide the value."""
        return _HIDDEN

    def __getitem__(self, key: Any) -> Any:
        """Return a part of it, which is hidden as well."""
        made = super().__getitem__(key)
        return SecretBytes(made) if isinstance(made, bytes) else made


@overload
def hidden(value: str) -> Secret: ...
@overload
def hidden(value: str | None) -> Secret | None: ...
@overload
def hidden(value: object) -> object: ...
def hidden(value: object) -> object:
    """Hide a string or bytes, so that the locals in a traceback do not show it."""
    if isinstance(value, str):
        return Secret(value)
    return SecretBytes(value) if isinstance(value, bytes | bytearray) else value
