"""Metrics of sessions for Prometheus: `PrometheusEvents`. It needs the extra `prometheus`."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol
from weakref import ref

from fourcasters_async.dead_man import DeadManState
from fourcasters_async.events import (
    ConnectionLost,
    DeadManChanged,
    RequestFinished,
    RetryPlanned,
    SessionEvent,
    VerbFinished,
)
from fourcasters_async.models import CancelReport, SessionStats

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as _missing:
    raise ImportError(
        "fourcasters_async.contrib.prometheus needs prometheus-client: "
        "pip install 'fourcasters-async[prometheus]'"
    ) from _missing

# Seconds, from a fast answer over a warm connection to the time limit of a verb.
_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_SUCCEEDED, _UNSETTLED, _FAILED = "succeeded", "unsettled", "failed"


class _Session(Protocol):
    """A session, as far as it has numbers."""

    @property
    def stats(self) -> SessionStats:
        """What it has done, and what it is at."""
        ...


class PrometheusEvents:
    """Metrics of sessions: `AsyncSession(on_event=PrometheusEvents())`.

    `registry` is prometheus_client's own by default. One object serves all sessions of a process.
    Gauges of what a session is at are there after `watch(session)`.

    No label is a game, an order, a token or a text of the exchange:

    - `fourcasters_requests_total`: attempts of requests, by `endpoint`, `transport` and `outcome`.
      Messages of a fan-out over the Orders WebSocket that are answered at once have no event, and
      are in `fourcasters_games_total` alone;
    - `fourcasters_request_seconds`: their time without the wait for the rate limit;
    - `fourcasters_retries_total`: requests that were sent again;
    - `fourcasters_verb_seconds`: the time of order verbs, by `verb`, `transport` and `outcome`:
      `succeeded`, `unsettled` if it returned with something left to do, `failed` if it raised;
    - `fourcasters_games_total`: games of fan-outs, by `verb`, `transport` and `outcome`, which is a
      value of `OutcomeStatus`;
    - `fourcasters_connections_lost_total`: lost WebSockets, by `endpoint`;
    - `fourcasters_dead_man_state`: 1 for the last `state` of a dead-man switch, 0 for the others;
    - `fourcasters_rate_limit_remaining`: what `RateLimit.remaining` says, of the watched session
      that has the least;
    - `fourcasters_undecided_orders`: own orders that ended unknown and may be in the book;
    - `fourcasters_halted`: with the `scope` `games` how many are halted, with `everything` how many
      sessions place nothing.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = REGISTRY if registry is None else registry
        where = ("endpoint", "transport")
        self._requests = Counter(
            "fourcasters_requests", "Attempts.", (*where, "outcome"), registry=registry
        )
        self._request_seconds = Histogram(
            "fourcasters_request_seconds",
            "Seconds of an attempt, without the wait for the rate limit.",
            where,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._retries = Counter(
            "fourcasters_retries", "Requests that were sent again.", where, registry=registry
        )
        what = ("verb", "transport", "outcome")
        self._verb_seconds = Histogram(
            "fourcasters_verb_seconds",
            "Seconds of an order verb.",
            what,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._games = Counter("fourcasters_games", "Games of fan-outs.", what, registry=registry)
        self._lost = Counter(
            "fourcasters_connections_lost", "Lost WebSockets.", ("endpoint",), registry=registry
        )
        self._dead_man = Gauge(
            "fourcasters_dead_man_state",
            "1 for the state of the dead-man switch.",
            ("state",),
            registry=registry,
        )
        self._kept: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._sessions = _Sessions()
        registry.register(self._sessions)
        self._takers: dict[type, Callable[[Any], None]] = {
            RequestFinished: self._take_request,
            RetryPlanned: self._take_retry,
            VerbFinished: self._take_verb,
            ConnectionLost: self._take_lost,
            DeadManChanged: self._take_dead_man,
        }

    def __call__(self, event: SessionEvent) -> None:
        """Count an event."""
        take = self._takers.get(type(event))
        if take is not None:
            take(event)

    def watch(self, session: _Session) -> None:
        """Show gauges of what a session is at, as long as there is the session."""
        self._sessions.add(session)

    def _take_request(self, event: RequestFinished) -> None:
        where = (event.endpoint, event.transport, event.outcome)
        kept = self._kept.get(where)
        if kept is None:
            # To find them by their labels takes as long as to count.
            kept = self._kept[where] = (
                self._requests.labels(*where[:2], event.outcome.value),
                self._request_seconds.labels(*where[:2]),
            )
        requests, seconds = kept
        requests.inc()
        if event.waited is not None:
            seconds.observe(event.elapsed - event.waited)

    def _take_retry(self, event: RetryPlanned) -> None:
        self._retries.labels(event.endpoint, event.transport).inc()

    def _take_verb(self, event: VerbFinished) -> None:
        outcome = _SUCCEEDED if event.succeeded else _FAILED if event.error else _UNSETTLED
        seconds = self._verb_seconds.labels(event.verb, event.transport, outcome)
        seconds.observe(event.elapsed)
        if isinstance(event.result, CancelReport):
            for game in event.result.outcomes:
                self._games.labels(event.verb, event.transport, game.status.value).inc()

    def _take_lost(self, event: ConnectionLost) -> None:
        self._lost.labels(event.endpoint).inc()

    def _take_dead_man(self, event: DeadManChanged) -> None:
        for state in DeadManState:
            self._dead_man.labels(state.value).set(event.state is state)


class _Sessions(Collector):
    """The gauges of what sessions are at, read when they are asked for, from any thread."""

    def __init__(self) -> None:
        self._known: list[ref[_Session]] = []

    def add(self, session: _Session) -> None:
        """Ask a session too, from now on."""
        living = [each for each in self._known if each() not in (None, session)]
        self._known = [*living, ref(session)]

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the gauges without asking anybody."""
        yield from _gauges([])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask the sessions that there still are."""
        sessions = (each() for each in self._known)
        yield from _gauges([session.stats for session in sessions if session is not None])


def _gauges(stats: list[SessionStats]) -> Iterator[GaugeMetricFamily]:
    remaining = GaugeMetricFamily(
        "fourcasters_rate_limit_remaining", "Requests that could be sent now.", labels=()
    )
    undecided = GaugeMetricFamily(
        "fourcasters_undecided_orders", "Own orders that may be in the book.", labels=()
    )
    halted = GaugeMetricFamily("fourcasters_halted", "What is halted.", labels=("scope",))
    if stats:
        remaining.add_metric((), min(each.remaining for each in stats))
        undecided.add_metric((), sum(each.undecided_orders for each in stats))
        halted.add_metric(("games",), sum(each.halted_games for each in stats))
        halted.add_metric(("everything",), sum(each.halted_everything for each in stats))
    yield from (remaining, undecided, halted)
