"""The heartbeat over both transports, and what acknowledges it."""

from attrs import evolve, frozen

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.retry import RetryPolicy

_ACK = "heartbeatAck"
_NO_ACK = "it is no acknowledgement"


@frozen
class Acknowledged:
    """An answer of which nothing is documented but that it is an object."""

    success: bool | None = None


@frozen
class Heartbeat(Acknowledged):
    """What the orders service says of a beat; on the Orders WebSocket it has all but `success`."""

    type: str | None = None
    timeout_sec: float | None = None
    error: str | None = None


@frozen
class HeartbeatAnswer(Heartbeat):
    """The same, as the exchange forwards it: in its envelope or bare."""

    data: Heartbeat | None = None


def heartbeat_request(timeout: int) -> Request[HeartbeatAnswer]:
    """Return one beat: everything is cancelled unless another comes within `timeout` seconds."""
    return Request(
        "POST /user/ordersHeartbeat",
        HeartbeatAnswer,
        Kind.HEARTBEAT,
        data_path=(),
        body={"timeout": timeout},
        check=_not_acknowledged,
    )


def heartbeat_message(timeout: float) -> Request[Heartbeat]:
    """Return one beat as a message on the Orders WebSocket, whose answer is documented."""
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
    said = [answer]
    if isinstance(answer, HeartbeatAnswer) and answer.data is not None:
        said.append(answer.data)
    return min((each.timeout_sec for each in said if each.timeout_sec is not None), default=None)


def heartbeat_policy(policy: RetryPolicy, timeout: float) -> RetryPolicy:
    """Return a policy with which a beat that fails is over before the next one is due."""
    return evolve(
        policy,
        max_attempts=2,
        attempt_timeout=timeout / 8,
        backoff_cap=timeout / 16,
        retry_after_cap=timeout / 8,
    )


def unsuccessful(answer: Acknowledged) -> str | None:
    """Say that an answer contradicts itself, if it does."""
    return "it was not successful" if answer.success is False else None


def _message_not_acknowledged(ack: Heartbeat) -> str | None:
    acknowledged = ack.type == _ACK and ack.error is None and ack.success is not False
    return None if acknowledged else _NO_ACK


def _not_acknowledged(answer: HeartbeatAnswer) -> str | None:
    said = [answer] if answer.data is None else [answer, answer.data]
    for each in said:
        if each.error is not None or each.success is False or each.type not in (None, _ACK):
            return _NO_ACK
    if any(each.type or each.success or each.timeout_sec is not None for each in said):
        return None
    return _NO_ACK
