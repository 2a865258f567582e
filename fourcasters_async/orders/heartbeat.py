"""The heartbeat over both transports, and its acknowledgement."""

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


@frozen
class Heartbeat(Acknowledged):
    """The answer of the orders service to a beat. The Orders WebSocket sends no `success`."""

    type: str | None = field(default=None, metadata=wire(strict=True))
    timeout_sec: float | None = field(default=None, metadata=wire(strict=True))
    error: str | None = field(default=None, metadata=wire(strict=True))


@frozen
class HeartbeatAnswer(Heartbeat):
    """The same answer over REST: in an envelope or bare."""

    data: Heartbeat | None = field(default=None, metadata=wire(strict=True))


def heartbeat_request(timeout: int) -> Request[HeartbeatAnswer]:
    """Return one beat over REST. `timeout` is in seconds."""
    return Request(
        "POST /user/ordersHeartbeat",
        HeartbeatAnswer,
        Kind.HEARTBEAT,
        data_path=(),
        body={"timeout": timeout},
        check=_not_acknowledged,
    )


def heartbeat_message(timeout: float) -> Request[Heartbeat]:
    """Return one beat over the Orders WebSocket. `timeout` is in seconds."""
    return Request(
        "heartbeat",
        Heartbeat,
        Kind.HEARTBEAT,
        body={"requestTimeout": timeout},
        check=_message_not_acknowledged,
    )


def acknowledged_seconds(answer: Heartbeat) -> float | None:
    """Return the time-out that was acknowledged, the least if several are named, `None` if none.

    It may be 0 or less, which arms nothing.
    """
    parts = [answer]
    if isinstance(answer, HeartbeatAnswer) and answer.data is not None:
        parts.append(answer.data)
    return min((each.timeout_sec for each in parts if each.timeout_sec is not None), default=None)


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


def _message_not_acknowledged(ack: Heartbeat) -> str | None:
    acknowledged = ack.type == _ACK and ack.error is None and ack.success is not False
    return None if acknowledged else _NO_ACK


def _not_acknowledged(answer: HeartbeatAnswer) -> str | None:
    parts = [answer] if answer.data is None else [answer, answer.data]
    for each in parts:
        if each.error is not None or each.success is False or each.type not in (None, _ACK):
            return _NO_ACK
    if any(each.type or each.success or each.timeout_sec is not None for each in parts):
        return None
    return _NO_ACK
