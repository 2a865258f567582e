"""Checks of arguments: what can only be a mistake is refused before anything is sent.

The checks do not guess at the rules of the exchange: what might be valid is sent.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from ipaddress import ip_address
from itertools import islice
from typing import TypeVar

from yarl import URL

from fourcasters_async._core.secret import Secret, hidden
from fourcasters_async.errors import InvalidRequestError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_ID_LIMIT = 128
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?", re.IGNORECASE)
_TEXT_LIMIT = 1024
_HIGHEST_PORT = 65535
_MAX_SECONDS = 1e9
_REPR_LIMIT = 80
MOST_ITEMS = 30_000
"""How many orders, games or references one call may name."""
# From here on a number may lose precision in JSON, and is surely a mistake.
HUGE = 10**15


def check_id(value: object, name: str) -> str:
    """Return an id, or refuse a value that cannot be one."""
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
            f"{name}: must not contain slashes or unprintable characters: {value!r}"
        )
    # A subclass could compare in its own way, and make two games look like one.
    return str.__str__(value)


def check_text(value: object, name: str) -> str:
    """Return a text from the caller, such as a reference, or refuse a value that cannot be one."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name}: must be a string, not {type(value).__name__}")
    if not value or not value.isprintable() or len(value) > _TEXT_LIMIT:
        raise InvalidRequestError(
            f"{name}: must have 1 to {_TEXT_LIMIT} characters, all of them printable"
        )
    return str.__str__(value)


def check_member(value: object, kind: type[E], name: str) -> E:
    """Return the enum member for a member or its value."""
    if isinstance(value, str):
        for member in kind:
            if member.value == str.__str__(value):
                return member
    valid = ", ".join(repr(member.value) for member in kind)
    raise InvalidRequestError(f"{name}: must be one of {valid}, not {shown(value)}")


def check_number(value: object, name: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < HUGE:
        raise InvalidRequestError(f"{name}: must be a finite number, not {shown(value)}")
    # JSON encoders do not know subclasses, such as the floats of numpy.
    return int(value) if isinstance(value, int) else float(value)


def check_amount(value: object, name: str) -> float:
    """Return an amount of money, which must be more than 0."""
    amount = check_number(value, name)
    if not amount > 0:
        raise InvalidRequestError(f"{name}: must be more than 0, not {amount!r}")
    return amount


def check_day(value: object, name: str) -> date:
    """Return a day."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidRequestError(f"{name}: must be a datetime.date, not {shown(value)}")
    return value


def check_moment(value: object, name: str) -> str:
    """Return a timezone-aware `datetime` as text in UTC."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidRequestError(f"{name}: must be a timezone-aware datetime, not {shown(value)}")
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional(check: Callable[[object, str], T], value: object, name: str) -> T | None:
    """Return `check(value, name)`, or `None` for `None`."""
    return None if value is None else check(value, name)


def check_list(values: object, name: str) -> list[object]:
    """Return the items of an iterable that is not a string; refuse more than one call may name."""
    if isinstance(values, str | bytes | bytearray) or not isinstance(values, Iterable):
        raise InvalidRequestError(
            f"{name}: must be a list or another iterable, not {type(values).__name__}"
        )
    # Taken one by one: an iterator may have no end.
    items = list(islice(values, MOST_ITEMS + 1))
    if len(items) > MOST_ITEMS:
        raise InvalidRequestError(f"{name}: must not have more than {MOST_ITEMS:,} items")
    return items


def check_seconds(value: float, name: str) -> float:
    """Return a duration in seconds, which must be finite and positive."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequestError(
            f"{name}: must be a number of seconds, not {type(value).__name__}"
        )
    if not 0 < value < _MAX_SECONDS:
        raise InvalidRequestError(
            f"{name}: must be finite and more than 0 seconds, not {shown(value)}"
        )
    return float(value)


def check_count(value: object, name: str, least: int = 1, most: int | None = None) -> int:
    """Return a whole number from `least` to `most`."""
    if type(value) is not int or not least <= value <= (HUGE if most is None else most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InvalidRequestError(f"{name}: must be a whole number {bounds}, not {shown(value)}")
    return value


def check_flag(value: object, name: str) -> bool:
    """Return a boolean. What is only true or false in effect may be a mistake, such as `"no"`."""
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name}: must be True or False, not {shown(value)}")
    return value


def check_kind(value: object, kind: type[T], name: str) -> T:
    """Return an instance of `kind`."""
    if not isinstance(value, kind):
        raise InvalidRequestError(f"{name}: must be a {kind.__name__}, not {shown(value)}")
    return value


def shown(value: object) -> str:
    """Return the start of the `repr` of a value, for an error message."""
    try:
        return repr(value)[:_REPR_LIMIT]
    except Exception:  # noqa: BLE001  # Python refuses to print a number of thousands of digits
        return f"this {type(value).__name__}"


def check_callback(callback: object, name: str) -> None:
    """Refuse a callback that is not a plain function."""
    if not callable(callback) or any(
        inspect.iscoroutinefunction(called) for called in (callback, type(callback).__call__)
    ):
        raise InvalidRequestError(f"{name}: must be a plain function, called in the event loop")


def check_token(value: object) -> Secret:
    """Return the token as a `Secret`, or refuse one that is not valid in a header."""
    value = hidden(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"token: must be a string, not {_type_of(value)}")
    if not value.isascii() or not value.isprintable() or " " in value or not value:
        raise InvalidRequestError(
            "token: must be ASCII without spaces, line breaks or control characters, and not empty"
        )
    return Secret(value)


def check_password(value: object) -> Secret:
    """Return the password as a `Secret`, or refuse one that cannot be sent."""
    value = hidden(value)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError("password: must be a string that is not empty")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidRequestError("password: must be valid Unicode")
    return Secret(value)


def _type_of(value: object) -> str:
    return "bytes" if isinstance(value, bytes) else type(value).__name__


def check_url(value: object, name: str, scheme: str, *others: str) -> URL:
    """Return a URL with `scheme` or one of `others`; to this machine it may be unencrypted."""
    value = hidden(value)
    # The address may hold a secret: where the error is raised, no local shows it.
    checked = _url_or_mistake(value, scheme, *others)
    if isinstance(checked, str):
        raise InvalidRequestError(f"{name}: {checked}")
    return checked


def _url_or_mistake(value: object, scheme: str, *others: str) -> URL | str:
    if not isinstance(value, str) or "@" in value:
        return "must be a string without a user name or a password"
    text = str.__str__(value)
    if not text.isprintable() or " " in text:
        # A URL parser may drop a line break, and connect to another host than the one that is read.
        return "must not contain blanks or unprintable characters"
    try:
        url = URL(text)
        port, host = url.port, url.host and url.raw_host
    except ValueError:
        url, port, host = URL(""), None, None
    if not _is_host(host) or port is None or not 0 < port <= _HIGHEST_PORT:
        return f"must be an address such as {scheme}://api.4casters.io"
    if url.query_string or url.fragment:
        return "must not hold a query or a fragment"
    local = scheme.removesuffix("s") if is_local(url) else scheme
    if url.scheme not in (scheme, local, *others):
        return f"must be {scheme}://…; unencrypted only to this machine (127.0.0.1, localhost)"
    return url


def _is_host(host: str | None) -> bool:
    try:
        return host is not None and (_HOST.fullmatch(host) or ip_address(host)) is not None
    except ValueError:
        return False


def is_local(url: URL | str) -> bool:
    """Whether an address is on this machine."""
    host = URL(url).host or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
