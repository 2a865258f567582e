"""What counts as the exchange's word: each verb against each way in which an answer may not.

A new verb joins by a line in `ASKED`.
"""

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import orjson
import pytest
from aiohttp import web
from attrs import define, frozen
from support import QUICK, quote

from fourcasters_async import (
    ApiError,
    AsyncSession,
    CancelResult,
    ConflictError,
    DecodeError,
    ForbiddenError,
    FourcastersError,
    NotFoundError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
    RateLimitedError,
)
from fourcasters_async.testing import BookOrder, FakeExchange, faults

REFERENCE = "mine/1"
NAME, PASSWORD = "trader", "right-password"
TRIES = QUICK.max_attempts


@frozen
class Asked:
    """A verb as it is asked, and what follows from its kind."""

    endpoint: str
    call: Callable[[Any, BookOrder], Awaitable[object]]
    over_socket: bool = False
    repeatable: bool = True
    has_effect: bool = True

    async def __call__(self, session: AsyncSession, order: BookOrder) -> object:
        if not self.over_socket:
            return await self.call(session, order)
        async with session.orders_socket() as orders:
            return await self.call(orders, order)

    def __str__(self) -> str:
        return f"socket-{self.endpoint}" if self.over_socket else self.endpoint

    @property
    def tries(self) -> int:
        return TRIES or 0 if self.repeatable else 1


def read(endpoint: str, call: Callable[[AsyncSession, BookOrder], Awaitable[object]]) -> Asked:
    return Asked(endpoint, call, has_effect=False)


ASKED = [
    Asked("cancel", lambda s, o: s.cancel(o.order_id)),
    Asked("cancelMultiple", lambda s, o: s.cancel_multiple([o.order_id])),
    Asked("cancelByReference", lambda s, o: s.cancel_by_reference(o.game_id, [REFERENCE])),
    Asked("cancelAllForLeague", lambda s, _: s.cancel_all_for_league("nba")),
    Asked("cancelAllOrders", lambda s, _: s.cancel_all_orders()),
    Asked("cancelAllOrdersForGame", lambda s, o: s.cancel_all_orders_for_game(o.game_id)),
    Asked("logout", lambda s, _: s.logout()),
    Asked("place", lambda s, o: s.place([quote(o.game_id)]), repeatable=False),
    Asked(
        "editOrder",
        lambda s, o: s.edit_order(o.order_id, order_odds=120, order_volume=50.0),
        repeatable=False,
    ),
    read("lookupOrder", lambda s, o: s.lookup_order(o.order_id)),
    read("getMe", lambda s, _: s.account.get_me()),
    read("getUnmatched", lambda s, _: s.account.get_unmatched()),
    read("getOrdersForGame", lambda s, o: s.account.get_orders_for_game(o.game_id)),
    read(
        "getBetByUserReference",
        lambda s, o: s.account.get_bet_by_user_reference(o.game_id, REFERENCE),
    ),
    read("getLeagues", lambda s, _: s.markets.get_leagues()),
    read("login", lambda s, _: s.login(NAME, PASSWORD)),
    Asked("cancelById", lambda s, o: s.cancel(o.order_id), over_socket=True),
    Asked("cancelMultiple", lambda s, o: s.cancel_multiple([o.order_id]), over_socket=True),
    Asked("cancelAll", lambda s, _: s.cancel_all_orders(), over_socket=True),
    Asked(
        "cancelAllByGame", lambda s, o: s.cancel_all_orders_for_game(o.game_id), over_socket=True
    ),
    Asked("heartbeat", lambda s, _: s.heartbeat(3600), over_socket=True),
    Asked("placeV3", lambda s, o: s.place([quote(o.game_id)]), over_socket=True, repeatable=False),
]
OVER_REST = [asked for asked in ASKED if not asked.over_socket]
OVER_THE_SOCKET = [asked for asked in ASKED if asked.over_socket]


@define
class Changed(faults.Fault):
    """The right answer to the first request, with another document, for each request."""

    change: Callable[[Any], Any]
    right: bytes | None = None

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        if self.right is None:
            self.right = call.commit().content()
        document = self.change(orjson.loads(call.addressed(self.right)))
        return web.Response(body=orjson.dumps(document), content_type="application/json")


@frozen
class Page(faults.Fault):
    """Something in front of the exchange answers in its place. Nothing is done."""

    status: int
    body: bytes = b"<html>Attention Required!</html>"

    async def __call__(self, _: faults.Call) -> web.StreamResponse:
        return web.Response(status=self.status, body=self.body)


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    fake_exchange.add_account(NAME, PASSWORD)
    game = fake_exchange.add_game()
    return fake_exchange.book.place(fake_exchange.account, game.game_id, user_reference=REFERENCE)


async def ended(session: AsyncSession, asked: Asked, order: BookOrder) -> FourcastersError | None:
    try:
        await asked(session, order)
    except FourcastersError as error:
        return error
    return None


def assert_nothing_is_claimed(asked: Asked, error: FourcastersError | None) -> None:
    if asked.has_effect:
        assert type(error) is OutcomeUnknownError
        assert error.attempts == asked.tries
    else:
        assert type(error) in (ApiError, DecodeError)


def each(*cases: tuple[Asked, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("asked", "case"), cases, ids=[f"{asked}-{case}" for asked, case in cases]
    )


# A page in front of the exchange.

REFUSING = [400, 401, 403, 404, 409, 422, 428]
NOT_ITS_OWN = [
    b"",
    b"{}",
    b"[]",
    b'"no"',
    b'{"message": "Forbidden"}',
    b'{"error": null}',
    b'{"error": ""}',
    b'{"error": " "}',
    b'{"error": {}}',
    b'{"error": {"code": 403}}',
    b'{"error": {"message": null, "code": 403}}',
    b'{"error": ["no"]}',
    b'{"error": true}',
    b'{"error": "no", "data": []}',
    b'{"error": "n',
]


@each(
    *product(OVER_REST, [Page(status) for status in REFUSING]),
    *product(OVER_REST, [Page(403, body) for body in NOT_ITS_OWN]),
)
async def test_a_page_with_a_status_of_a_refusal_is_not_the_exchanges_word(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, asked: Asked, case: Page
) -> None:
    fake_exchange.inject(case, endpoint=asked.endpoint, times=None)
    assert_nothing_is_claimed(asked, await ended(session, asked, order))
    assert fake_exchange.received(asked.endpoint) == asked.tries


@each(
    *product(
        [asked for asked in OVER_REST if asked.repeatable], [Page(status) for status in REFUSING]
    )
)
async def test_once_the_page_is_gone_the_exchange_is_heard(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, asked: Asked, case: Page
) -> None:
    fake_exchange.inject(case, endpoint=asked.endpoint)
    assert await ended(session, asked, order) is None
    assert fake_exchange.received(asked.endpoint) == 2


@each(*product([asked for asked in OVER_REST if asked.repeatable], [Page(429), Page(429, b"")]))
async def test_a_429_is_one_whoever_says_it(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, asked: Asked, case: Page
) -> None:
    fake_exchange.inject(case, endpoint=asked.endpoint, times=None)
    assert type(await ended(session, asked, order)) is RateLimitedError


@pytest.mark.parametrize("status", REFUSING)
async def test_a_page_is_no_refused_login(
    fake_exchange: FakeExchange, order: BookOrder, status: int
) -> None:
    async with AsyncSession(
        username=NAME, password=PASSWORD, base_url=fake_exchange.url, retry=QUICK
    ) as session:
        fake_exchange.inject(Page(status), endpoint="login", times=TRIES)
        with pytest.raises(FourcastersError):
            await session.account.get_me()
        await session.account.get_me()


async def test_the_exchanges_own_428_to_a_login_is_final(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    challenge = faults.Respond(b'{"error": "CHALLENGE_REQUIRED"}', 428)
    fake_exchange.inject(challenge, endpoint="login", times=None)
    async with AsyncSession(
        username=NAME, password=PASSWORD, base_url=fake_exchange.url, retry=QUICK
    ) as session:
        for _ in range(3):
            with pytest.raises(ForbiddenError):
                await session.account.get_me()
    assert fake_exchange.received("login") == 1


async def test_a_page_on_a_cancel_of_everything_does_not_end_the_flattening(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=3)
    fake_exchange.inject(Page(403), times=2)
    report = await session.flatten(deadline=20)
    assert report.clear
    assert fake_exchange.open_orders() == []


# An answer that contradicts itself.

CONTRADICTIONS: list[dict[str, object]] = [
    {"success": False},
    {"success": "true"},
    {"success": 1},
    {"success": 0},
    {"errors": ["it failed"]},
    {"errors": {"orders": "it failed"}},
    {"errors": "it failed"},
    {"status": "error"},
    {"status": "partial"},
    {"status": 503},
    {"status": False},
    {"code": 400},
    {"code": 503},
    {"code": "503"},
    {"error": "it failed"},
    {"error": {"message": "it failed", "code": 503}},
    {"error": {}},
    {"error": True},
    {"error": 0},
]
HARMLESS: list[dict[str, object]] = [
    {"success": True},
    {"success": None},
    {"errors": []},
    {"errors": None},
    {"status": "success"},
    {"status": "OK"},
    {"status": 200},
    {"status": None},
    {"code": 200},
    {"code": 0},
    {"code": None},
    {"error": ""},
    {"error": None},
    {"message": "done"},
]


@each(*product(ASKED, CONTRADICTIONS))
async def test_an_answer_that_says_beside_its_data_that_it_failed_is_unknown(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    asked: Asked,
    case: dict[str, object],
) -> None:
    fake_exchange.inject(Changed(lambda it: it | case), endpoint=asked.endpoint, times=None)
    assert_nothing_is_claimed(asked, await ended(session, asked, order))
    assert fake_exchange.received(asked.endpoint) == asked.tries


@each(*product(ASKED, HARMLESS))
async def test_an_answer_that_says_beside_its_data_that_all_is_well_is_one(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    asked: Asked,
    case: dict[str, object],
) -> None:
    fake_exchange.inject(Changed(lambda it: it | case), endpoint=asked.endpoint, times=None)
    assert await ended(session, asked, order) is None
    assert fake_exchange.received(asked.endpoint) == 1


@pytest.mark.parametrize("asked", OVER_THE_SOCKET, ids=str)
@pytest.mark.parametrize("case", CONTRADICTIONS)
async def test_around_a_wrapped_answer_too(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    asked: Asked,
    case: dict[str, object],
) -> None:
    def wrapped(document: Any) -> Any:
        return {"requestID": document["requestID"], "responses": [document], **case}

    fake_exchange.inject(Changed(wrapped), endpoint=asked.endpoint, times=None)
    assert_nothing_is_claimed(asked, await ended(session, asked, order))


@pytest.mark.virtual_time
@pytest.mark.parametrize("more", [{"error": "timeout"}, {"success": False}, {"errors": ["x"]}])
async def test_a_list_that_says_that_it_failed_proves_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, more: dict[str, object]
) -> None:
    empty = Changed(lambda _: {"data": {"unmatched": [], **more}})
    fake_exchange.inject(empty, endpoint="getUnmatched", times=None)
    report = await session.cancel_all_orders_for_games([order.game_id], verify=True, deadline=2)
    assert report.outcomes[0].resting is None


# Texts over the Orders WebSocket.

PARTLY = [
    "1 of 2 orders placed, insufficient balance for the rest",
    "orders[1]: game is suspended",
    "3 of 5 orders cancelled; 2 not found",
    "orders[0] placed; order not found",
    "insufficient balance",
    "order not found: 1 of 2",
    "unauthorized request",
    "Failed to process",
]


@each(*product(OVER_THE_SOCKET, PARTLY))
async def test_a_text_that_is_not_a_documented_one_refuses_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, asked: Asked, case: str
) -> None:
    said = faults.Respond(orjson.dumps({"error": case}))
    fake_exchange.inject(said, endpoint=asked.endpoint, times=None)
    assert_nothing_is_claimed(asked, await ended(session, asked, order))
    assert fake_exchange.received(asked.endpoint) == asked.tries


@each(*product(OVER_THE_SOCKET, ["order already graded", " Order  ALREADY graded. "]))
async def test_a_documented_text_is_a_refusal(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, asked: Asked, case: str
) -> None:
    said = faults.Respond(orjson.dumps({"error": case}))
    fake_exchange.inject(said, endpoint=asked.endpoint, times=None)
    assert type(await ended(session, asked, order)) is ConflictError
    assert fake_exchange.received(asked.endpoint) == 1


# A game that the orders service does not know.


@pytest.fixture
def uncached(fake_exchange: FakeExchange) -> str:
    game = fake_exchange.add_game(orders=3)
    game.cached = False
    return game.game_id


async def one_verb(orders: OrdersSocket, game: str) -> list[CancelResult]:
    return await orders.cancel_all_orders_for_game(game)


async def fan_out(orders: OrdersSocket, game: str) -> list[CancelResult]:
    report = await orders.cancel_all_orders_for_games([game])
    assert report.ok
    return report.results


async def hedged(orders: OrdersSocket, game: str) -> list[CancelResult]:
    report = await orders.cancel_all_orders_for_games([game], hedge=3600.0)
    assert report.ok
    return report.results


@pytest.mark.parametrize("cancel", [one_verb, fan_out, hedged])
async def test_a_game_that_is_not_in_the_sockets_cache_is_cancelled_over_rest(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    uncached: str,
    cancel: Callable[[OrdersSocket, str], Awaitable[list[CancelResult]]],
) -> None:
    async with session.orders_socket() as orders:
        results = await cancel(orders, uncached)
    assert [result.success for result in results] == [True] * 3
    assert fake_exchange.open_orders() == []
    assert fake_exchange.received("cancelAllByGame") == 1
    assert fake_exchange.received("cancelAllOrdersForGame") == 1


async def test_a_filter_that_rest_does_not_have_is_not_dropped(
    fake_exchange: FakeExchange, session: AsyncSession, uncached: str
) -> None:
    async with session.orders_socket() as orders:
        with pytest.raises(NotFoundError):
            await orders.cancel_all_orders_for_game(uncached, side="over")
    assert len(fake_exchange.open_orders()) == 3
    assert fake_exchange.received("cancelAllOrdersForGame") == 0


async def test_where_rest_fails_too_the_outcome_is_that_of_rest(
    fake_exchange: FakeExchange, session: AsyncSession, uncached: str
) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame", times=None)
    async with session.orders_socket() as orders:
        with pytest.raises(OutcomeUnknownError):
            await orders.cancel_all_orders_for_game(uncached)
        report = await orders.cancel_all_orders_for_games([uncached])
    assert report.outcomes[0].status is OutcomeStatus.UNKNOWN


async def test_a_game_that_nobody_knows_is_proved_by_a_read(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    known = fake_exchange.add_game(orders=1).game_id
    async with session.orders_socket() as orders:
        report = await orders.cancel_all_orders_for_games(["f" * 24, known], verify=True)
    assert [outcome.status for outcome in report.outcomes] == ["refused", "confirmed"]
    assert [outcome.resting for outcome in report.outcomes] == [[], []]
    assert report.verified_clear


@pytest.mark.virtual_time
async def test_an_order_on_a_game_outside_the_cache_is_never_called_clear_unseen(
    fake_exchange: FakeExchange, session: AsyncSession, uncached: str
) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame", times=None)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelMultiple", times=None)
    async with session.orders_socket() as orders:
        report = await orders.cancel_all_orders_for_games([uncached], verify=True, deadline=2)
    assert not report.verified_clear
    assert len(report.outcomes[0].resting or ()) == 3
