"""The hooks for Prometheus and OpenTelemetry, and the dashboard that is drawn of the former."""

import asyncio
import gc
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from pages import ROOT
from prometheus_client import CollectorRegistry, generate_latest
from support import CANARY, ECHOES, QUICK, SECOND, Transport, quote, until

from fourcasters_async import AsyncSession, OutcomeUnknownError, RateLimit, SessionEvent
from fourcasters_async.contrib.otel import OtelEvents
from fourcasters_async.contrib.prometheus import PrometheusEvents
from fourcasters_async.testing import FakeExchange, faults

DASHBOARD = ROOT / "docs" / "grafana" / "fourcasters.json"
LABELS = {"endpoint", "transport", "outcome", "verb", "state", "scope", "le"}


def session_on(exchange: FakeExchange, hook: Any, **options: Any) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        on_event=hook,
        **{"retry": QUICK, **options},
    )


async def everything_happens(exchange: FakeExchange, session: AsyncSession) -> list[str]:
    """Let every metric have a value, and return the games."""
    games = [exchange.add_game(orders=2).game_id for _ in range(2)]
    exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame")
    async with session.orders_socket() as orders, session.dead_man_switch(8):
        await session.cancel_all_orders_for_games(games)
        await orders.cancel_all_orders_for_games(games)
        await exchange.drop_sockets()
        await until(lambda: not orders.connected)
        await until(lambda: orders.connected)
    await session.halt([games[1]])
    exchange.inject(faults.Reset(committed=True), endpoint="place")
    with pytest.raises(OutcomeUnknownError):
        await session.place([quote(games[0])])
    return games


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.hook = PrometheusEvents(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"fourcasters_{name}", labels)

    @property
    def names(self) -> set[str]:
        return {s.name for family in self.registry.collect() for s in family.samples}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


async def test_each_metric_counts_what_it_says(
    fake_exchange: FakeExchange, metrics: Metrics
) -> None:
    async with session_on(fake_exchange, metrics.hook) as session:
        metrics.hook.watch(session)
        await everything_happens(fake_exchange, session)
        cancel = {"endpoint": "POST /session/cancelAllOrdersForGame", "transport": "rest"}
        assert metrics.value("requests_total", **cancel, outcome="unknown") == 1
        assert metrics.value("requests_total", **cancel, outcome="answered") == 3
        assert metrics.value("request_seconds_count", **cancel) == 4
        assert metrics.value("retries_total", **cancel) == 1
        fan_out = {"verb": "cancel_all_orders_for_games", "transport": "socket"}
        assert metrics.value("games_total", **fan_out, outcome="confirmed") == 2
        assert metrics.value("verb_seconds_count", **fan_out, outcome="succeeded") == 1
        place = {"verb": "place", "transport": "rest"}
        assert metrics.value("verb_seconds_count", **place, outcome="failed") == 1
        assert metrics.value("connections_lost_total", endpoint="GET /orders/ws") == 1
        assert metrics.value("dead_man_state", state="armed") == 1
        assert metrics.value("dead_man_state", state="lapsed") == 0
        assert metrics.value("undecided_orders") == session.stats.undecided_orders == 1
        assert metrics.value("halted", scope="games") == 1
        assert metrics.value("halted", scope="everything") == 0
        assert metrics.value("rate_limit_remaining") == session.rate_limit.remaining


async def test_a_verb_that_leaves_something_to_do_is_unsettled(
    fake_exchange: FakeExchange, metrics: Metrics
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame", times=None)
    async with session_on(fake_exchange, metrics.hook) as session:
        await session.cancel_all_orders_for_games([game], deadline=SECOND)
    labels = {"verb": "cancel_all_orders_for_games", "transport": "rest"}
    assert metrics.value("verb_seconds_count", **labels, outcome="unsettled") == 1
    assert metrics.value("games_total", **labels, outcome="unknown") == 1


async def test_the_wait_for_the_rate_limit_is_no_time_of_a_request(
    fake_exchange: FakeExchange, metrics: Metrics
) -> None:
    limit = RateLimit(requests=1, window=30 * SECOND, reserve=0)
    async with session_on(fake_exchange, metrics.hook, rate_limit=limit, timeout=60.0) as session:
        for _ in range(2):
            await session.account.get_me()
    seconds = metrics.value("request_seconds_sum", endpoint="GET /user/getMe", transport="rest")
    assert seconds is not None
    assert seconds < 10 * SECOND


@pytest.mark.parametrize("body", ECHOES)
async def test_no_label_has_a_game_an_order_or_a_token(
    canary: FakeExchange, metrics: Metrics, body: bytes
) -> None:
    async with session_on(canary, metrics.hook) as session:
        metrics.hook.watch(session)
        canary.inject(faults.Respond(body, 403), endpoint="cancelAllOrders")
        await asyncio.gather(session.cancel_all_orders(), return_exceptions=True)
        games = await everything_happens(canary, session)
        shown = generate_latest(metrics.registry).decode()
        labels = {name for f in metrics.registry.collect() for s in f.samples for name in s.labels}
    assert labels <= LABELS
    for secret in (*games, CANARY, CANARY[:12], "no good"):
        assert secret not in shown


async def test_a_thousand_games_make_no_more_series_than_one(
    fake_exchange: FakeExchange, metrics: Metrics
) -> None:
    sizes = []
    async with session_on(fake_exchange, metrics.hook) as session:
        for count in (1, 1000):
            games = [fake_exchange.add_game().game_id for _ in range(count)]
            await session.cancel_all_orders_for_games(games)
            sizes.append(generate_latest(metrics.registry).count(b"\n"))
    # On a busy machine one of a thousand is sent again, and that has series of its own.
    assert sizes[1] < 2 * sizes[0]


async def test_a_session_that_is_gone_is_not_asked_any_more(
    fake_exchange: FakeExchange, metrics: Metrics
) -> None:
    async with session_on(fake_exchange, metrics.hook) as session:
        metrics.hook.watch(session)
        metrics.hook.watch(session)
        await session.halt()
        assert metrics.value("halted", scope="everything") == 1
    del session
    gc.collect()
    assert metrics.value("halted", scope="everything") is None


async def test_another_thread_may_ask_for_the_metrics(
    fake_exchange: FakeExchange, metrics: Metrics
) -> None:
    async with session_on(fake_exchange, metrics.hook) as session:
        metrics.hook.watch(session)
        await session.account.get_me()
        shown = await asyncio.to_thread(generate_latest, metrics.registry)
    assert b"fourcasters_rate_limit_remaining 2699.0" in shown


def test_two_hooks_on_one_registry_are_refused_as_prometheus_does(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        PrometheusEvents(metrics.registry)


def expressions() -> list[str]:
    return [
        target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    ]


async def test_each_metric_of_the_dashboard_is_there_and_each_is_in_the_dashboard(
    fake_exchange: FakeExchange, metrics: Metrics
) -> None:
    async with session_on(fake_exchange, metrics.hook) as session:
        metrics.hook.watch(session)
        await everything_happens(fake_exchange, session)
        names = metrics.names
        families = {family.name for family in metrics.registry.collect()}
    asked = {name for each in expressions() for name in re.findall(r"fourcasters_\w+", each)}
    assert asked <= names
    assert all(any(name.startswith(family) for name in asked) for family in families)
    assert len(families) == 10


def test_the_dashboard_groups_by_labels_that_there_are() -> None:
    grouped = {
        label.strip()
        for each in expressions()
        for labels in re.findall(r"by \(([^)]*)\)", each)
        for label in labels.split(",")
    }
    assert grouped <= LABELS


# OpenTelemetry.


class Spans:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("a bot")
        self.hook = OtelEvents(provider)

    @property
    def finished(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.finished if span.name == f"fourcasters.{name}"]


@pytest.fixture
def spans() -> Spans:
    return Spans()


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent and span.parent.span_id


async def test_a_fan_out_is_a_span_with_a_child_a_game(
    fake_exchange: FakeExchange, spans: Spans, transport: Transport
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(3)]
    async with (
        session_on(fake_exchange, spans.hook) as session,
        transport.open(session) as orders,
    ):
        with spans.tracer.start_as_current_span("a move") as move:
            report = await orders.cancel_all_orders_for_games(games)
    (verb,) = spans.named("cancel_all_orders_for_games")
    assert parent_of(verb) == move.get_span_context().span_id
    assert dict(verb.attributes or {}) == {"fourcasters.transport": str(transport)}
    children = spans.named("game")
    assert {parent_of(child) for child in children} == {verb.context.span_id if verb.context else 0}
    told = [dict(child.attributes or {}) for child in children]
    assert told == [
        {
            "fourcasters.game_id": outcome.game_id,
            "fourcasters.status": "confirmed",
            "fourcasters.attempts": 1,
            "fourcasters.elapsed": outcome.elapsed,
        }
        for outcome in report.outcomes
    ]
    took = [(span.end_time or 0) - (span.start_time or 0) for span in children]
    assert took == pytest.approx([each.elapsed * 10**9 for each in report.outcomes], abs=2)


async def test_attempts_and_retries_are_events_of_their_game(
    fake_exchange: FakeExchange, spans: Spans
) -> None:
    bad, good = (fake_exchange.add_game(orders=2).game_id for _ in range(2))
    fake_exchange.inject(faults.Unavailable(), game_id=bad)
    async with session_on(fake_exchange, spans.hook) as session:
        await session.cancel_all_orders_for_games([bad, good], verify=True)
    first, second = spans.named("game")
    (verb,) = spans.named("cancel_all_orders_for_games")
    assert [each.name for each in first.events] == ["attempt", "retry", "attempt"]
    assert [each.name for each in second.events] == ["attempt"]
    read = [(each.attributes or {}).get("fourcasters.endpoint") for each in verb.events]
    assert read == ["GET /user/getUnmatched"]


async def test_a_verb_that_raises_and_one_that_leaves_something_are_errors(
    fake_exchange: FakeExchange, spans: Spans
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame", times=None)
    async with session_on(fake_exchange, spans.hook) as session:
        await session.cancel_all_orders_for_games([game], deadline=SECOND)
        await asyncio.gather(
            session.cancel_all_orders_for_game(game, deadline=SECOND), return_exceptions=True
        )
    statuses = [
        (span.name.removeprefix("fourcasters."), span.status.description)
        for span in spans.finished
        if span.status.status_code is StatusCode.ERROR
    ]
    assert statuses == [
        ("game", "unknown"),
        ("cancel_all_orders_for_games", "unsettled"),
        ("cancel_all_orders_for_game", "OutcomeUnknownError"),
    ]


async def test_verbs_of_two_sessions_are_told_apart(
    fake_exchange: FakeExchange, spans: Spans
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(2)]
    async with (
        session_on(fake_exchange, spans.hook) as first,
        session_on(fake_exchange, spans.hook) as second,
    ):
        await asyncio.gather(
            first.cancel_all_orders_for_game(games[0]), second.cancel_all_orders_for_game(games[1])
        )
    assert [len(span.events) for span in spans.finished] == [1, 1]


@pytest.mark.parametrize("body", ECHOES)
async def test_no_span_shows_a_token(canary: FakeExchange, spans: Spans, body: bytes) -> None:
    game = canary.add_game(orders=2).game_id
    async with session_on(canary, spans.hook) as session:
        for status in (200, 403, 503):
            canary.inject(faults.Respond(body, status), game_id=game)
        await session.cancel_all_orders_for_games([game], deadline=SECOND)
        await asyncio.gather(session.cancel("f" * 24), return_exceptions=True)
    shown = "".join(span.to_json() for span in spans.finished)
    assert "cancel_all_orders_for_games" in shown
    assert CANARY not in shown
    assert CANARY[:12] not in shown


async def test_no_game_is_in_the_name_of_a_span(fake_exchange: FakeExchange, spans: Spans) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(2)]
    async with session_on(fake_exchange, spans.hook) as session:
        await session.halt(games)
    assert {span.name for span in spans.finished} == {"fourcasters.halt", "fourcasters.game"}


async def test_both_hooks_go_side_by_side(
    fake_exchange: FakeExchange, spans: Spans, metrics: Metrics
) -> None:
    def both(event: SessionEvent) -> None:
        metrics.hook(event)
        spans.hook(event)

    async with session_on(fake_exchange, both) as session:
        await session.cancel_all_orders()
    labels = {"verb": "cancel_all_orders", "transport": "rest", "outcome": "succeeded"}
    assert metrics.value("verb_seconds_count", **labels) == len(spans.finished) == 1


# Without the extras.


def without(module: str, code: str) -> str:
    """Return how code fails where there is no such module."""
    hidden = f"import sys; sys.modules[{module!r}] = None\n{code}"
    ended = subprocess.run(  # noqa: S603  # code of this file
        [sys.executable, "-c", hidden], capture_output=True, text=True, check=False
    )
    return ended.stderr.strip().split("\n")[-1]


@pytest.mark.parametrize(
    ("module", "hook", "sentence"),
    [
        (
            "prometheus_client",
            "prometheus",
            "needs prometheus-client: pip install 'fourcasters-async[prometheus]'",
        ),
        ("opentelemetry", "otel", "needs opentelemetry-api: pip install 'fourcasters-async[otel]'"),
    ],
)
def test_without_its_extra_a_hook_says_which_it_needs(
    module: str, hook: str, sentence: str
) -> None:
    name = f"fourcasters_async.contrib.{hook}"
    assert without(module, f"import {name}") == f"ImportError: {name} {sentence}"


def test_the_package_needs_neither() -> None:
    code = "import fourcasters_async as f; f.AsyncSession('t', on_event=print).stats; "
    code += "print([m for m in sys.modules if m.startswith(('prometheus', 'opentelemetry'))], "
    code += "'contrib' in ' '.join(sys.modules), file=sys.stderr)"
    assert without("nothing", code) == "[] False"
