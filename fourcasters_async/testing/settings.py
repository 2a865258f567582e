"""Checks of the settings of `FakeExchange`. A mistake is a ValueError that names it."""

_FOREVER = 1e9


def check_flag(value: object, name: str) -> None:
    """Refuse what is no boolean."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: must be True or False")  # noqa: TRY004  # every mistake is a ValueError


def check_seconds(value: object, name: str) -> None:
    """Refuse what is no number of seconds of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _FOREVER:
        raise ValueError(f"{name}: must be a number of seconds, 0 or more and finite")


def check_count(value: object, name: str, most: float = float("inf")) -> None:
    """Refuse what is no whole number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name}: must be a whole number, 0 or more")


def check_limit(value: object, name: str) -> None:
    """Refuse what is no pair of a number of requests and a number of seconds."""
    match value:
        case (requests, window):
            check_count(requests, f"{name}[0]")
            check_seconds(window, f"{name}[1]")
        case _:
            raise ValueError(f"{name}: must be requests and seconds, a pair")
