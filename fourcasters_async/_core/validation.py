"""Arguments that can only be a mistake are refused before anything is sent.

Nothing here guesses at the rules of the exchange: what might be valid is sent.
"""

import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
from ipaddress import ip_address
from typing import TypeVar

from yarl import URL

from fourcasters_async._core.secret import Secret
from fourcasters_async.errors import InvalidRequestError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_ID_LIMIT = 128
_TEXT_LIMIT = 1024
_HIGHEST_PORT = 65535
_FOR_EVER = 1e9
_SHOWN = 80
# Past what JSON carries safely, and what anybody could mean.
HUGE = 10**15


def check_id(value: object, name: str) -> str:
    """Return an id as it is, or refuse what no id can be."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name}: must be a string, not {type(value).__name__}")
    if not value.strip():
        raise InvalidRequestError(f"{name}: must not be empty")
    if value != value.strip():
        raise InvalidRequestError(
            f"{name}: must not begin or end with a blank: {value[:_ID_LIMIT]!r}"
        )
    if len(value) > _ID_LIMIT:
        raise InvalidRequestError(f"{name}: must not be longer than {_ID_LIMIT} characters")
    if "/" in value or "\\" in value or not value.isprintable():
        raise InvalidRequestError(
            f"{name}: must not contain slashes, control characters or the like: {value!r}"
        )
    # A subclass could compare in ways of its own, and make two games one.
    return str.__str__(value)


def check_text(value: object, name: str) -> str:
    """Return a text of the caller's, such as a reference, or refuse what no text can be."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name}: must be a string, not {type(value).__name__}")
    if not value or not value.isprintable() or len(value) > _TEXT_LIMIT:
        raise InvalidRequestError(
            f"{name}: must have 1 to {_TEXT_LIMIT} characters, and no control characters"
        )
    return str.__str__(value)


def check_member(value: object, kind: type[E], name: str) -> E:
    """Return the member of an enum for a member or its value."""
    if isinstance(value, str):
        for member in kind:
            if member.value == str.__str__(value):
                return member
    known = ", ".join(repr(member.value) for member in kind)
    raise InvalidRequestError(f"{name}: must be one of {known}, not {shown(value)}")


def check_number(value: object, name: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < HUGE:
        raise InvalidRequestError(f"{name}: must be a finite number, not {shown(value)}")
    # A float of another library, such as numpy, is one that no JSON encoder knows.
    return int(value) if isinstance(value, int) else float(value)


def check_amount(value: object, name: str) -> float:
    """Return an amount of money, which must be more than nothing."""
    amount = check_number(value, name)
    if not amount > 0:
        raise InvalidRequestError(f"{name}: must be more than 0, not {amount!r}")
    return amount


def optional(check: Callable[[object, str], T], value: object, name: str) -> T | None:
    """Return what `check` makes of a value, or `None` for none."""
    return None if value is None else check(value, name)


def check_list(values: object, name: str) -> list[object]:
    """Return the items of an iterable that is no string."""
    if isinstance(values, str | bytes | bytearray) or not isinstance(values, Iterable):
        raise InvalidRequestError(
            f"{name}: must be a list or the like, not {type(values).__name__}"
        )
    return list(values)


def check_seconds(value: float, name: str) -> float:
    """Return a span of time in seconds, which must be finite and positive."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequestError(f"{name}: must be seconds, not {type(value).__name__}")
    if not 0 < value < _FOR_EVER:
        raise InvalidRequestError(
            f"{name}: must be finite and more than 0 seconds, not {shown(value)}"
        )
    return float(value)


def check_count(value: object, name: str, least: int = 1, most: int | None = None) -> int:
    """Return a whole number, which must not be less than `least` or more than `most`."""
    if type(value) is not int or not least <= value <= (HUGE if most is None else most):
        bound = "on" if most is None else f"to {most}"
        raise InvalidRequestError(
            f"{name}: must be a whole number from {least} {bound}, not {shown(value)}"
        )
    return value


def shown(value: object) -> str:
    try:
        return repr(value)[:_SHOWN]
    except Exception:  # noqa: BLE001  # Python writes no whole number of thousands of digits
        return f"this {type(value).__name__}"


def check_callback(callback: object, name: str) -> None:
    """Refuse what is not a plain function."""
    if not callable(callback) or any(
        inspect.iscoroutinefunction(called) for called in (callback, type(callback).__call__)
    ):
        raise InvalidRequestError(f"{name}: must be a plain function, called in the event loop")


def hidden(value: T) -> T | Secret:
    """Hide a string, so that not even the locals of a traceback show it."""
    return Secret(value) if isinstance(value, str) else value


def check_token(value: object) -> Secret:
    """Return the token, hidden, or refuse one that cannot stand in a header."""
    value = hidden(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"token: must be a string, not {type(value).__name__}")
    if not value.isascii() or not value.isprintable() or " " in value or not value:
        raise InvalidRequestError(
            "token: must be ASCII without spaces, line breaks or control characters, and not empty"
        )
    return Secret(value)


def check_password(value: object) -> Secret:
    """Return the password, hidden."""
    value = hidden(value)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError("password: must be a string, and not empty")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidRequestError("password: must be text, and not bytes that are none")
    return Secret(value)


def check_url(value: object, name: str, scheme: str, *others: str) -> URL:
    """Return an address. Unless `others` are named too, it is encrypted or on this machine."""
    value = hidden(value)
    if not isinstance(value, str) or "@" in value:
        raise InvalidRequestError(f"{name}: must be a string, without a user or a password")
    try:
        url = URL(str(value))
        port = url.port
    except ValueError:
        url, port = URL(""), None
    if url.host is None or port is None or not 0 < port <= _HIGHEST_PORT:
        raise InvalidRequestError(f"{name}: must be an address such as {scheme}://api.4casters.io")
    if url.query_string or url.fragment:
        raise InvalidRequestError(f"{name}: must not hold a query or a fragment")
    local = scheme.removesuffix("s") if is_local(url) else scheme
    if url.scheme not in (scheme, local, *others):
        raise InvalidRequestError(
            f"{name}: must be {scheme}://…; unencrypted only to this machine (127.0.0.1, localhost)"
        )
    return url


def is_local(url: URL | str) -> bool:
    """Whether an address is on this machine."""
    host = URL(url).host or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
