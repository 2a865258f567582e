"""The reads of the account, against the sandbox."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from fourcasters_async import (
    AffiliateCommission,
    AsyncSession,
    BadRequestError,
    BetOutcome,
    BetsByReference,
    DecodeError,
    GradedBet,
    InvalidRequestError,
    MatchedBet,
    NotSentError,
    OpenOrder,
    RateLimitedError,
)
from fourcasters_async.testing import BookOrder, FakeExchange, faults

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    """Give an order of 100 that was filled twice, with 40 and with 10."""
    game = fake_exchange.book.add_game()
    order = fake_exchange.book.place(fake_exchange.account, game.game_id, odds=-110)
    fake_exchange.book.fill(order.order_id, 40.0)
    fake_exchange.book.fill(order.order_id, 10.0)
    return order


async def test_each_fill_is_a_matched_bet(session: AsyncSession, order: BookOrder) -> None:
    bets = await session.account.get_matched_bets()
    assert [(bet.bet, bet.risk, bet.win) for bet in bets] == [(40, 40, 36.36), (10, 10, 9.09)]
    assert len({bet.tx_id for bet in bets}) == 2


async def test_the_bets_of_another_account_are_not_shown(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game()
    theirs = fake_exchange.book.place("another", game.game_id)
    fake_exchange.book.fill(theirs.order_id, 10.0)
    assert await session.account.get_matched_bets() == []


async def test_a_bet_that_is_matched_is_found_by_its_id(
    session: AsyncSession, order: BookOrder
) -> None:
    first, _ = await session.account.get_matched_bets()
    assert await session.account.get_bet_by_id(first.bet_id) == first


async def test_a_bet_that_is_graded_is_found_by_the_id_of_its_fill(
    session: AsyncSession, fake_exchange: FakeExchange, order: BookOrder
) -> None:
    first, _ = await session.account.get_matched_bets()
    fake_exchange.book.grade(order.order_id, "loser")
    bet = await session.account.get_bet_by_id(tx_id=first.tx_id)
    assert isinstance(bet, GradedBet)
    assert (bet.outcome, bet.result) == (BetOutcome.LOSER, -40)


async def test_an_order_that_rests_is_found_by_its_id(
    session: AsyncSession, order: BookOrder
) -> None:
    bet = await session.account.get_bet_by_id(order.order_id)
    assert isinstance(bet, OpenOrder)
    assert bet.remaining == 50


async def test_a_matched_bet_is_no_graded_one(session: AsyncSession, order: BookOrder) -> None:
    first, _ = await session.account.get_matched_bets()
    assert type(await session.account.get_bet_by_id(first.bet_id)) is MatchedBet


async def test_an_unknown_bet_is_refused(session: AsyncSession) -> None:
    with pytest.raises(BadRequestError):
        await session.account.get_bet_by_id("f" * 24)


async def test_the_bets_of_one_placed_order_are_found_together(
    session: AsyncSession, order: BookOrder
) -> None:
    (resting,) = await session.account.get_unmatched()
    found = await session.account.get_bet_by_wager_request_id(resting.wager_request_id or "")
    assert found == BetsByReference(matched=await session.account.get_matched_bets())


async def test_the_liability_of_a_game_is_what_can_be_lost(
    session: AsyncSession, order: BookOrder
) -> None:
    assert await session.account.get_game_liability(order.game_id) == -50


@pytest.mark.parametrize("liability", [b"null", b'"much"', b"true", b"{}"])
async def test_a_liability_that_is_no_number_is_malformed(
    session: AsyncSession, fake_exchange: FakeExchange, liability: bytes
) -> None:
    body = b'{"data": {"liability": ' + liability + b"}}"
    fake_exchange.inject(faults.Respond(body), times=None)
    with pytest.raises(DecodeError, match="liability"):
        await session.account.get_game_liability("f" * 24)


@pytest.mark.parametrize("read", ["get_graded", "get_graded_wagers"])
async def test_what_was_graded_is_shown_with_its_sums(
    session: AsyncSession, fake_exchange: FakeExchange, order: BookOrder, read: str
) -> None:
    fake_exchange.book.grade(order.order_id)
    fake_exchange.book.games[order.game_id].start = LONG_AGO
    graded = await getattr(session.account, read)()
    assert [bet.result for bet in graded.graded] == [36.36, 9.09]
    assert (graded.summary.pnl, graded.summary.volume) == (45, 45)


async def test_the_window_of_graded_bets_is_about_the_start_of_their_games(
    session: AsyncSession, fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.grade(order.order_id)
    start = fake_exchange.book.games[order.game_id].start
    second = timedelta(seconds=1)
    on_time = await session.account.get_graded(start, start + second)
    before = await session.account.get_graded(start - second, start)
    assert (len(on_time.graded), len(before.graded)) == (2, 0)


async def test_a_window_of_more_than_35_days_is_refused(session: AsyncSession) -> None:
    with pytest.raises(BadRequestError, match="35 days"):
        await session.account.get_graded(LONG_AGO, LONG_AGO + timedelta(days=36))
    await session.account.get_graded(LONG_AGO, LONG_AGO + timedelta(days=35))


async def test_a_time_in_another_zone_is_sent_as_the_same_moment(
    session: AsyncSession, fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.grade(order.order_id)
    start = fake_exchange.book.games[order.game_id].start
    there = start.astimezone(timezone(timedelta(hours=-5)))
    found = await session.account.get_graded(there, there + timedelta(hours=1))
    assert len(found.graded) == 2


def graded_bets(exchange: FakeExchange, count: int) -> list[BookOrder]:
    game = exchange.book.add_game()
    orders = [exchange.book.place(exchange.account, game.game_id) for _ in range(count)]
    for order in orders:
        exchange.book.fill(order.order_id, order.offered)
        exchange.book.grade(order.order_id)
    return orders


async def test_graded_bets_come_page_by_page_each_once(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    orders = graded_bets(fake_exchange, 250)
    bets = [bet async for bet in session.account.graded_since(LONG_AGO)]
    assert len({bet.tx_id for bet in bets}) == len(bets) == len(orders)
    assert fake_exchange.received("getGradedSince") == 3


async def test_many_pages_are_read_within_the_limit_that_they_have_of_their_own(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    orders = graded_bets(fake_exchange, 2_450)
    bets = [bet async for bet in session.account.graded_since(LONG_AGO)]
    assert len({bet.tx_id for bet in bets}) == len(orders)
    assert fake_exchange.received("getGradedSince") == 25


async def test_a_read_that_its_own_limit_leaves_no_time_for_is_not_sent(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    await asyncio.gather(*(session.account.get_graded() for _ in range(60)))
    with pytest.raises(NotSentError, match="its own limit of 60 requests in 60 s"):
        await session.account.get_graded(deadline=1.0)
    assert fake_exchange.received("getGraded") == 60


async def test_the_old_address_of_graded_bets_counts_as_the_new_one(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    reads = [session.account.get_graded, session.account.get_graded_wagers]
    await asyncio.gather(*(read() for read in reads for _ in range(30)))
    with pytest.raises(NotSentError, match="its own limit of 60 requests in 60 s"):
        await session.account.get_graded_wagers(deadline=1.0)


async def test_a_429_to_a_graded_read_holds_no_other_read_back(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    fault = faults.TooManyRequests(retry_after="9")
    fake_exchange.inject(fault, endpoint="getGradedSince")
    with pytest.raises(RateLimitedError):
        await session.account.get_graded_since(LONG_AGO, deadline=1.0)
    assert (await session.account.get_me(deadline=1.0)).username == fake_exchange.account


async def test_the_cursor_goes_on_where_the_last_iteration_ended(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    graded_bets(fake_exchange, 3)
    graded = session.account.graded_since(LONG_AGO)
    assert len([bet async for bet in graded]) == 3
    graded_bets(fake_exchange, 2)
    later = session.account.graded_since(cursor=graded.cursor)
    assert len([bet async for bet in later]) == 2


async def test_a_page_that_was_not_read_to_its_end_comes_again(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    graded_bets(fake_exchange, 150)
    graded = session.account.graded_since(LONG_AGO)
    taken = 0
    async for _ in graded:
        taken += 1
        if taken == 120:
            break
    again = [bet async for bet in session.account.graded_since(cursor=graded.cursor)]
    assert len(again) == 50


async def test_a_page_that_failed_is_read_when_the_iteration_goes_on(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    graded_bets(fake_exchange, 150)
    graded = session.account.graded_since(LONG_AGO)
    seen = []

    async def read_on() -> None:
        async for bet in graded:
            seen.append(bet.tx_id)
            if len(seen) == 100:
                refusal = faults.Respond(b'{"error": "no"}', status=400)
                fake_exchange.inject(refusal, endpoint="getGradedSince")

    with pytest.raises(BadRequestError):
        await read_on()
    await read_on()
    assert len(set(seen)) == len(seen) == 150


async def test_a_bet_whose_outcome_is_corrected_comes_again(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    first, _ = graded_bets(fake_exchange, 2)
    graded = session.account.graded_since(LONG_AGO)
    before = [bet async for bet in graded]
    fake_exchange.book.grade(first.order_id, "loser")
    (after,) = [bet async for bet in graded]
    assert after.tx_id == before[0].tx_id
    assert (before[0].outcome, after.outcome) == (BetOutcome.WINNER, BetOutcome.LOSER)


async def test_nothing_new_leaves_the_cursor_as_it_was(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    graded_bets(fake_exchange, 1)
    page = await session.account.get_graded_since(LONG_AGO)
    again = await session.account.get_graded_since(cursor=page.cursor)
    assert (again.cursor, again.graded, again.has_more) == (page.cursor, [], False)


async def test_what_was_settled_through_leaves_no_bet_of_a_page_that_ends_within_an_instant(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    graded_bets(fake_exchange, 1)
    fake_exchange.move_clock(1.0)
    graded_bets(fake_exchange, 150)
    page = await session.account.get_graded_since(LONG_AGO)
    rest = await session.account.get_graded_since(page.settled_through)
    another = await session.account.get_graded_since(cursor=rest.cursor)
    bets = [*page.graded, *rest.graded, *another.graded]
    assert len({bet.tx_id for bet in bets}) == 151


async def test_a_cursor_from_a_time_since_which_nothing_was_graded_goes_on_from_then(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    graded_bets(fake_exchange, 2)
    fake_exchange.move_clock(1.0)
    since = (await session.account.get_graded_since(LONG_AGO)).settled_through
    fake_exchange.move_clock(1.0)
    page = await session.account.get_graded_since(since)
    graded_bets(fake_exchange, 1)
    later = await session.account.get_graded_since(cursor=page.cursor)
    assert (len(page.graded), len(later.graded)) == (0, 1)


async def test_the_cursor_of_another_account_is_refused(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    other = fake_exchange.add_account("other", "right")
    async with AsyncSession(other, base_url=fake_exchange.url) as another:
        page = await another.account.get_graded_since(LONG_AGO)
    with pytest.raises(BadRequestError, match="cursor"):
        await session.account.get_graded_since(cursor=page.cursor)


async def test_a_page_that_says_more_and_gives_no_way_to_it_ends_the_iteration(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    body = b'{"data": {"graded": [], "cursor": "same", "hasMore": true}}'
    fake_exchange.inject(faults.Respond(body), times=None)
    with pytest.raises(DecodeError, match="there is more"):
        async with asyncio.timeout(60):
            assert not [bet async for bet in session.account.graded_since(cursor="same")]


@pytest.mark.parametrize("missing", [b'"cursor": "c"', b'"hasMore": false', b'"hasMore": 1'])
async def test_a_page_that_does_not_say_how_to_go_on_is_malformed(
    session: AsyncSession, fake_exchange: FakeExchange, missing: bytes
) -> None:
    body = b'{"data": {"graded": [], ' + missing + b"}}"
    fake_exchange.inject(faults.Respond(body), times=None)
    with pytest.raises(DecodeError, match=r"cursor|hasMore"):
        await session.account.get_graded_since(LONG_AGO)


async def test_a_game_that_could_not_be_loaded_keeps_its_id(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    body = b'{"data": {"graded": [{"txID": "a", "game": {"_id": "g", "error": "gone"}}]}}'
    fake_exchange.inject(faults.Respond(body))
    (bet,) = (await session.account.get_graded()).graded
    assert bet.game is not None
    assert bet.game.game_id == "g"


async def test_commission_is_shown_by_player(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    fake_exchange.book.commission[fake_exchange.account] = {"alice": 124.5, "bob": 12.0}
    assert await session.account.get_affiliate_commission(date(2026, 1, 2), date(2026, 2, 3)) == [
        AffiliateCommission(username="alice", commission=124.5),
        AffiliateCommission(username="bob", commission=12.0),
    ]


MISTAKES: list[tuple[str, Callable[[AsyncSession], Awaitable[object]]]] = [
    ("bet_id, tx_id", lambda s: s.account.get_bet_by_id()),
    ("bet_id, tx_id", lambda s: s.account.get_bet_by_id("a", tx_id="b")),
    ("bet_id", lambda s: s.account.get_bet_by_id("a/b")),
    ("tx_id", lambda s: s.account.get_bet_by_id(tx_id="")),
    ("wager_request_id", lambda s: s.account.get_bet_by_wager_request_id("")),
    ("game_id", lambda s: s.account.get_game_liability("")),
    ("start", lambda s: s.account.get_graded(datetime(2026, 1, 1))),  # noqa: DTZ001  # the mistake
    ("end", lambda s: s.account.get_graded(None, "today")),  # type: ignore[arg-type]  # the mistake
    ("since, cursor", lambda s: s.account.get_graded_since()),
    ("since, cursor", lambda s: s.account.get_graded_since(LONG_AGO, cursor="c")),
    ("cursor", lambda s: s.account.get_graded_since(cursor="")),
    ("from_date", lambda s: s.account.get_affiliate_commission(LONG_AGO)),
    ("to_date", lambda s: s.account.get_affiliate_commission(None, "01-02-2026")),  # type: ignore[arg-type]  # the mistake
]


@pytest.mark.parametrize(("named", "read"), MISTAKES)
async def test_an_argument_that_can_only_be_a_mistake_is_refused_by_its_name(
    session: AsyncSession,
    fake_exchange: FakeExchange,
    named: str,
    read: Callable[[AsyncSession], Awaitable[object]],
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{named}: "):
        await read(session)
    assert not fake_exchange.requests


@pytest.mark.parametrize("arguments", [{}, {"since": LONG_AGO, "cursor": "c"}], ids=["none", "two"])
def test_graded_bets_begin_at_a_time_or_at_a_cursor(arguments: dict[str, object]) -> None:
    session = AsyncSession("token")
    with pytest.raises(InvalidRequestError, match=r"^since, cursor: "):
        session.account.graded_since(**arguments)  # type: ignore[arg-type]  # the mistake
