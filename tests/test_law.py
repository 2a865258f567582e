"""No outcome is ever wrong: what is said of a cancel is compared with the exchange's own book."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import REFERENCE, REST, SECOND, SOCKET, VERBS, Transport, Verb

from fourcasters_async import (
    ApiError,
    AsyncSession,
    CancelReport,
    CancelResult,
    FourcastersError,
    NotSentError,
    OutcomeStatus,
    RetryPolicy,
)
from fourcasters_async.testing import FakeExchange, faults

GAMES = 6
HONEST = (faults.Slow, faults.Duplicate, faults.Held, faults.Wrapped)
FAULTS = [
    None,
    faults.Close(),
    faults.Close(committed=True),
    faults.Reset(committed=True),
    faults.Stall(committed=True),
    faults.Truncate(),
    faults.Garbage(),
    faults.Unavailable(),
    faults.Unavailable(committed=True),
    faults.TooManyRequests("0"),
    faults.TooManyRequests(None),
    faults.Unauthorized(),
    faults.Slow(0.1 * SECOND),
    faults.Duplicate(),
    faults.Duplicate(pause=0.05 * SECOND),
]
OVER_HTTP = [*FAULTS, faults.StallBody(), faults.WrongLength(), faults.Html()]
OVER_THE_SOCKET = [
    *FAULTS,
    faults.HalfOpen(committed=True),
    faults.CloseCode(),
    faults.CloseCode(1000, committed=True),
    faults.UnknownID(),
    faults.Wrapped(),
    faults.Held(2),
    faults.Slow(0.8 * SECOND),
]

POLICY = RetryPolicy(
    max_attempts=3, attempt_timeout=0.5 * SECOND, backoff_base=0.001, backoff_cap=0.001
)


@frozen
class Look(faults.Fault):
    """A read of the open orders, before which orders may be placed, and what was true of it."""

    exchange: FakeExchange = field(eq=False)
    places: list[int]
    truths: list[set[str]] = field(factory=list)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        games = list(self.exchange.book.games)
        if self.places:
            self.exchange.book.place(self.exchange.account, games[self.places.pop()])
        self.truths.append({order.game_id for order in self.exchange.open_orders()})
        return faults.respond(call.commit())


@frozen
class Plan:
    """What the exchange does to each request in turn, and what the caller asks for."""

    per_game: list[list[faults.Fault | None]]
    asked: list[int]
    places: list[int]
    cancel_multiple: list[faults.Fault | None]
    deadline: float | None
    verify: bool
    connections: int
    latency: float


def plans(known: Sequence[faults.Fault | None]) -> st.SearchStrategy[Plan]:
    struck = st.sampled_from(known)
    games = st.integers(0, GAMES - 1)
    return st.builds(
        Plan,
        per_game=st.lists(st.lists(struck, max_size=4), min_size=GAMES, max_size=GAMES),
        asked=st.lists(games, max_size=10),
        places=st.lists(games, max_size=4),
        cancel_multiple=st.lists(struck, max_size=3),
        deadline=st.sampled_from([None, 0.05 * SECOND, 0.3 * SECOND, SECOND]),
        verify=st.booleans(),
        connections=st.sampled_from([1, 2, 10]),
        latency=st.sampled_from([0.0, 0.02 * SECOND]),
    )


def inject(
    exchange: FakeExchange,
    script: Sequence[faults.Fault | None],
    endpoint: str,
    game_id: str | None,
) -> None:
    for turn, fault in enumerate(script):
        if fault is not None:
            exchange.inject(fault, endpoint=endpoint, game_id=game_id, after=turn)


async def play(plan: Plan, transport: Transport, hedge: float | None = None) -> None:
    async with FakeExchange(latency=plan.latency) as exchange:
        games = [exchange.add_game(orders=2).game_id for _ in range(GAMES)]
        # A fault passes over what an earlier one has struck, so each turn needs a place of its own.
        for game_id, script in zip(games, plan.per_game, strict=True):
            inject(exchange, script, transport.game, game_id)
        inject(exchange, plan.cancel_multiple, "cancelMultiple", None)
        look = Look(exchange, list(plan.places))
        exchange.inject(look, endpoint="getUnmatched", times=None)
        told: list[str] = []
        async with (
            AsyncSession(
                exchange.token,
                base_url=exchange.url,
                orders_url=exchange.orders_url,
                retry=POLICY,
                timeout=3 * SECOND,
                max_connections=plan.connections,
            ) as session,
            transport.open(session) as orders,
        ):
            cancel: Any = orders.cancel_all_orders_for_games
            report = await cancel(
                [games[index] for index in plan.asked],
                deadline=plan.deadline,
                verify=plan.verify,
                on_outcome=lambda outcome: told.append(outcome.game_id),
                **({} if hedge is None else {"hedge": hedge}),
            )
        asked = list(dict.fromkeys(games[index] for index in plan.asked))
        assert [outcome.game_id for outcome in report.outcomes] == asked
        assert Counter(told) == Counter(asked)
        check(report, exchange, look)


def check(report: CancelReport, exchange: FakeExchange, look: Look) -> None:
    for outcome in report.outcomes:
        requests = [
            received
            for received in exchange.requests
            if received.game_id == outcome.game_id and received.endpoint != "getUnmatched"
        ]
        if outcome.status is OutcomeStatus.CONFIRMED:
            assert any(r.fault is None or isinstance(r.fault, HONEST) for r in requests)
        if outcome.status is OutcomeStatus.NOT_SENT:
            assert not requests
        if outcome.status in (OutcomeStatus.CONFIRMED, OutcomeStatus.PARTIAL):
            assert outcome.attempts >= 1
        assert (outcome.error is None) == (outcome.status is OutcomeStatus.CONFIRMED)
        for result in outcome.results:
            assert result.order_id is not None
            # A cancel that is repeated may be told that the order is already cancelled.
            assert exchange.book.orders[result.order_id].cancelled or not result.success
        if outcome.complete and outcome.status is OutcomeStatus.CONFIRMED:
            gone = {o.order_id for o in exchange.book.orders.values() if o.cancelled}
            named = {result.order_id for result in outcome.results}
            on_game = {
                o.order_id for o in exchange.book.orders.values() if o.game_id == outcome.game_id
            }
            assert gone & on_game <= named
    if report.verified_clear:
        assert not look.truths[-1] & {outcome.game_id for outcome in report.outcomes}


async def call_one(verb: Verb, script: Sequence[faults.Fault | None], timeout: float) -> None:
    async with FakeExchange() as exchange:
        game = exchange.add_game()
        order = exchange.book.place(exchange.account, game.game_id, user_reference=REFERENCE)
        inject(exchange, script, verb.endpoint, None)
        said: object = None
        raised: FourcastersError | None = None
        async with AsyncSession(
            exchange.token,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            retry=POLICY,
            timeout=timeout,
        ) as session:
            try:
                said = await verb(session, order)
            except FourcastersError as error:
                raised = error
        results = said if isinstance(said, list) else [said]
        for result in results:
            if isinstance(result, CancelResult):
                assert order.cancelled or not result.success
        asked = [r for r in exchange.requests if r.endpoint == verb.endpoint]
        if raised is None:
            assert any(r.fault is None or isinstance(r.fault, HONEST) for r in asked)
        if isinstance(raised, NotSentError):
            assert not asked
        if isinstance(raised, ApiError):
            # A refusal is only raised where nothing can have taken effect.
            assert not order.cancelled


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data(), timeout=st.sampled_from([0.05 * SECOND, 0.3 * SECOND, 3 * SECOND]))
@pytest.mark.parametrize("verb", VERBS, ids=str)
async def test_no_verb_ever_claims_what_did_not_happen(
    verb: Verb, data: st.DataObject, timeout: float
) -> None:
    known = OVER_THE_SOCKET if verb.over_socket else OVER_HTTP
    script = data.draw(st.lists(st.sampled_from(known), max_size=4))
    await call_one(verb, script, timeout)


unhurried = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@unhurried
@given(plans(OVER_HTTP))
async def test_no_outcome_over_rest_is_ever_wrong(plan: Plan) -> None:
    await play(plan, REST)


@unhurried
@given(plans(OVER_THE_SOCKET))
async def test_no_outcome_over_a_socket_is_ever_wrong(plan: Plan) -> None:
    await play(plan, SOCKET)


@unhurried
@given(plans(OVER_THE_SOCKET), st.sampled_from([0.01 * SECOND, 0.2 * SECOND]))
async def test_no_outcome_of_a_hedged_socket_is_ever_wrong(plan: Plan, hedge: float) -> None:
    await play(plan, SOCKET, hedge)
