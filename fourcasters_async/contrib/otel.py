"""Traces of order verbs for OpenTelemetry: `OtelEvents`. It needs the extra `otel`."""

import time
from collections import OrderedDict
from collections.abc import Mapping

from attrs import define, field

from fourcasters_async._version import __version__
from fourcasters_async.events import (
    RequestFinished,
    RetryPlanned,
    SessionEvent,
    VerbFinished,
    VerbStarted,
)
from fourcasters_async.models import CancelReport, GameOutcome, OutcomeStatus

try:
    from opentelemetry.trace import (
        Span,
        SpanKind,
        StatusCode,
        TracerProvider,
        get_tracer,
        set_span_in_context,
    )
except ImportError as _missing:
    raise ImportError(
        "fourcasters_async.contrib.otel needs opentelemetry-api: "
        "pip install 'fourcasters-async[otel]'"
    ) from _missing

_NS = 10**9
# Verbs under way. Of one whose task was destroyed nothing is told any more.
_MOST = 10_000


@define
class _Told:
    """What happened inside a verb, and when: what a span calls an event."""

    name: str
    attributes: Mapping[str, str | int | float]
    at: int

    def add_to(self, span: Span) -> None:
        span.add_event(self.name, self.attributes, timestamp=self.at)


@define
class _Call:
    """A verb under way: its span, when it began, and what happened, by game."""

    span: Span
    began: int
    told: dict[str | None, list[_Told]] = field(factory=dict)


class OtelEvents:
    """Spans of order verbs: `AsyncSession(on_event=OtelEvents())`.

    `tracer_provider` is the global one by default. Each call of a verb is a span, inside the span
    that is current where it is called, with a child for each game of a fan-out: its status and its
    time. Attempts and retries are events of the span of their game, or of the verb's. A verb that
    raised or left something to do is an error, and so is a game that is not `CONFIRMED`.

    Ids of games are attributes of spans, and in no name. No error text and no token is shown.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = get_tracer("fourcasters_async", __version__, tracer_provider)
        self._calls: OrderedDict[int, _Call] = OrderedDict()

    def __call__(self, event: SessionEvent) -> None:
        """Take note of an event."""
        if isinstance(event, VerbStarted):
            self._begin(event)
        elif isinstance(event, RequestFinished | RetryPlanned):
            call = None if event.call is None else self._calls.get(event.call)
            if call is not None:
                game = None if event.game_id is None else event.game_id.casefold()
                call.told.setdefault(game, []).append(_told(event))
        elif isinstance(event, VerbFinished):
            call = self._calls.pop(event.call, None)
            if call is not None:
                self._end(call, event)

    def _begin(self, event: VerbStarted) -> None:
        began = time.time_ns()
        span = self._tracer.start_span(
            f"fourcasters.{event.verb}",
            kind=SpanKind.CLIENT,
            attributes={"fourcasters.transport": event.transport},
            start_time=began,
        )
        self._calls[event.call] = _Call(span, began)
        if len(self._calls) > _MOST:
            _, forgotten = self._calls.popitem(last=False)
            forgotten.span.end()

    def _end(self, call: _Call, event: VerbFinished) -> None:
        if isinstance(event.result, CancelReport):
            for outcome in event.result.outcomes:
                self._add_game(call, outcome)
        for told in call.told.values():
            for each in told:
                each.add_to(call.span)
        if not event.succeeded:
            failed = "unsettled" if event.error is None else type(event.error).__name__
            call.span.set_status(StatusCode.ERROR, failed)
        call.span.end(call.began + int(event.elapsed * _NS))

    def _add_game(self, call: _Call, outcome: GameOutcome) -> None:
        span = self._tracer.start_span(
            "fourcasters.game",
            set_span_in_context(call.span),
            attributes={
                "fourcasters.game_id": outcome.game_id,
                "fourcasters.status": str(outcome.status),
                "fourcasters.attempts": outcome.attempts,
                "fourcasters.elapsed": outcome.elapsed,
            },
            start_time=call.began,
        )
        for told in call.told.pop(outcome.game_id.casefold(), ()):
            told.add_to(span)
        if outcome.status is not OutcomeStatus.CONFIRMED:
            span.set_status(StatusCode.ERROR, str(outcome.status))
        span.end(call.began + int(outcome.elapsed * _NS))


def _told(event: RequestFinished | RetryPlanned) -> _Told:
    attributes: dict[str, str | int | float] = {
        "fourcasters.endpoint": event.endpoint,
        "fourcasters.transport": event.transport,
        "fourcasters.attempt": event.attempt,
    }
    if isinstance(event, RetryPlanned):
        attributes["fourcasters.after"] = event.after
        return _Told("retry", attributes, time.time_ns())
    attributes["fourcasters.outcome"] = event.outcome.value
    attributes["fourcasters.elapsed"] = event.elapsed
    if event.status is not None:
        attributes["http.response.status_code"] = event.status
    return _Told("attempt", attributes, time.time_ns())
