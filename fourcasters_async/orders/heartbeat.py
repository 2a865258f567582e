"""The heartbeat over both transports, and its acknowledgement."""

from math import isfinite

from attrs import evolve, field, frozen

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async.models.wire import wire

_ACK = "heartbeatAck"
_NO_ACK = "not an acknowledgement"


@frozen
class Acknowledged:
    """An answer that is documented only as an object."""

    success: bool | None = field(default=None, metadata=wire(strict=True))


def heartbeat_request(timeout: int) -> Request[object]:
    """Return one beat over REST. `timeout` is in seconds.

    The answer has no documented schema: any 200 without an error is the acknowledgement, an empty
    body included.
    """
    return Request(
        "POST /user/ordersHeartbeat",
        object,
        Kind.HEARTBEAT,
        data_path=(),
        body={"timeout": timeout},
        check=_denied,
        empty={},
    )


def heartbeat_message(timeout: float) -> Request[object]:
    """Return one beat over the Orders WebSocket. `timeout` is in seconds."""
    return Request(
        "heartbeat",
        object,
        Kind.HEARTBEAT,
        body={"requestTimeout": timeout},
        check=_not_acknowledged,
    )


def acknowledged_seconds(answer: object) -> float | None:
    """Return the time-out that was acknowledged, the least if several are named, `None` if none.

    It may be 0 or less, which arms nothing. One that is no number names none.
    """
    named = (part.get("timeoutSec") for part in _parts(answer))
    return min((s for each in named if (s := _number(each)) is not None), default=None)


def heartbeat_policy(policy: RetryPolicy, timeout: float) -> RetryPolicy:
    """Return a policy with which a beat ends before the next one is due."""
    return evolve(
        policy,
        max_attempts=2,
        attempt_timeout=timeout / 8,
        backoff_cap=timeout / 16,
        retry_after_cap=timeout / 8,
    )


def unsuccessful(answer: Acknowledged) -> str | None:
    """Return the mismatch if an answer says that it failed, else `None`."""
    return "it was not successful" if answer.success is False else None


def _parts(answer: object) -> list[dict[str, object]]:
    """Return the objects that an answer consists of: itself, and what is in its envelope."""
    inner = answer.get("data") if isinstance(answer, dict) else None
    return [part for part in (answer, inner) if isinstance(part, dict)]


def _denied(answer: object) -> str | None:
    for part in _parts(answer):
        # It has to be a JSON boolean: 1 is none.
        failed = part.get("success") is not None and part["success"] is not True
        if failed or part.get("error") not in (None, "") or part.get("type") not in (None, _ACK):
            return _NO_ACK
    return None


def _not_acknowledged(answer: object) -> str | None:
    named = isinstance(answer, dict) and answer.get("type") == _ACK
    return _denied(answer) if named else _NO_ACK


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
