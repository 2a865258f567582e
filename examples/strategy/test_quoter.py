"""How to test a bot: against an exchange on this machine, which fails when it is told to.

The tests wait for what they mean, never for a while: no result depends on how fast the machine is.
They are coroutines, which pytest-asyncio runs in its mode `auto`. The fixture `fake_exchange` comes
with the library.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import quoter
from hypothesis import given
from hypothesis import strategies as st
from quoter import Quoter, Terms, add_cents

from fourcasters_async import AsyncSession
from fourcasters_async.testing import BookGame, BookOrder, FakeExchange, faults, strategies


@pytest.fixture
async def session(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        streaming_url=fake_exchange.streaming_url,
        # The sandbox's reads do not trail its book, and nothing takes effect late.
        read_lag=0.05,
        late_effect=0.5,
    ) as session:
        yield session


@asynccontextmanager
async def quoting(
    session: AsyncSession, *games: BookGame, stale_after: float = 3600.0, limit: float = 1000.0
) -> AsyncIterator[Quoter]:
    """Run the bot for the length of a block. What it raises, the block raises."""
    bot = Quoter(session, Terms(stale_after=stale_after, limit=limit, halt_deadline=30.0))
    running = asyncio.create_task(bot.run([game.game_id for game in games]))
    try:
        yield bot
    finally:
        running.cancel()
        await asyncio.wait([running])
    if not running.cancelled():
        running.result()


def market(exchange: FakeExchange) -> tuple[BookGame, BookOrder, BookOrder]:
    """Add a game that others quote: away at +110, home at -106."""
    game = exchange.book.add_game()
    away = exchange.book.place("maker", game.game_id, side=game.away_id, odds=110)
    home = exchange.book.place("maker", game.game_id, side=game.home_id, odds=-106)
    return game, away, home


def quotes(exchange: FakeExchange, game: BookGame) -> list[tuple[str, int]]:
    """Return what the bot rests on a game: the side, `away` or `home`, and the odds."""
    names = {game.away_id: "away", game.home_id: "home"}
    orders = exchange.open_orders(game.game_id)
    return sorted((names[order.side or ""], order.odds) for order in orders)


FIRST = [("away", 111), ("home", -105)]


async def test_each_side_of_each_game_rests_five_cents_better_than_what_could_be_taken(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = [market(fake_exchange)[0] for _ in range(5)]
    async with quoting(session, *games):
        await fake_exchange.wait_until(
            lambda: all(quotes(fake_exchange, game) == FIRST for game in games)
        )


async def test_a_quote_moves_with_the_others_and_the_other_side_stays(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, away, _ = market(fake_exchange)
    async with quoting(session, game):
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        (stays,) = (o for o in fake_exchange.open_orders() if o.side == game.away_id)
        fake_exchange.book.cancel(away)
        fake_exchange.book.place("maker", game.game_id, side=game.away_id, odds=120)
        await fake_exchange.wait_until(
            lambda: quotes(fake_exchange, game) == [("away", 111), ("home", -115)]
        )
        assert stays.open


async def test_a_side_that_nobody_prices_is_not_quoted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, away, _ = market(fake_exchange)
    async with quoting(session, game):
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        fake_exchange.book.cancel(away)
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == [("away", 111)])


async def test_an_order_that_was_cancelled_elsewhere_is_placed_again(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, *_ = market(fake_exchange)
    async with quoting(session, game):
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        for order in fake_exchange.open_orders():
            fake_exchange.book.cancel(order)
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)


async def test_a_side_that_was_filled_up_to_the_limit_is_quoted_no_more(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, away, _ = market(fake_exchange)
    async with quoting(session, game, limit=50.0) as bot:
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        (order,) = (o for o in fake_exchange.open_orders() if o.side == game.away_id)
        fake_exchange.book.fill(order.order_id, 50.0)
        # The next move is quoted after the fill was counted.
        fake_exchange.book.cancel(away)
        fake_exchange.book.place("maker", game.game_id, side=game.away_id, odds=120)
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == [("home", -115)])
        assert bot.filled == {game.away_id: 50.0}


@pytest.mark.parametrize("feed", ["price-stream", "user"])
async def test_a_feed_that_is_lost_halts_the_game_until_it_is_back(
    fake_exchange: FakeExchange, session: AsyncSession, feed: str
) -> None:
    game, *_ = market(fake_exchange)
    async with quoting(session, game):
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        fake_exchange.inject(faults.Unavailable(), endpoint=feed, times=None)
        await fake_exchange.drop_sockets(endpoint=feed)
        await fake_exchange.wait_until(
            lambda: game.game_id in session.halted and not fake_exchange.open_orders()
        )
        fake_exchange.clear_faults()
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)


async def test_prices_that_fall_silent_are_stale_and_the_game_is_halted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, *_ = market(fake_exchange)
    talking = asyncio.create_task(talk(fake_exchange))
    async with quoting(session, game, stale_after=2.0):
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        fake_exchange.feeds.price.mute = True
        await fake_exchange.wait_until(
            lambda: game.game_id in session.halted and not fake_exchange.open_orders()
        )
    talking.cancel()


async def talk(exchange: FakeExchange) -> None:
    """Let the price feed say something all the time, of a game that nobody quotes."""
    game = exchange.book.add_game()
    while True:
        exchange.book.cancel(exchange.book.place("maker", game.game_id))
        await asyncio.sleep(0.05)


async def test_a_place_that_ended_unknown_leaves_no_second_quote(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, *_ = market(fake_exchange)
    fake_exchange.inject(faults.Close(committed=True), endpoint="place")
    async with quoting(session, game):
        await fake_exchange.wait_for("place", 2)
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        first, *others = fake_exchange.requests.to("place", game_id=game.game_id)
    assert first.fault == faults.Close(committed=True)
    assert {each.fault for each in others} == {None}


async def test_a_game_that_is_not_known_to_be_clear_is_not_quoted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, away, _ = market(fake_exchange)
    async with quoting(session, game):
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        fake_exchange.inject(faults.Close(committed=True), endpoint="place")
        fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame", times=2)
        halts = fake_exchange.received("cancelAllOrdersForGame")
        fake_exchange.book.cancel(away)
        fake_exchange.book.place("maker", game.game_id, side=game.away_id, odds=120)
        await fake_exchange.wait_for("cancelAllOrdersForGame", halts + 3)
        assert fake_exchange.received("place") == 2
        fake_exchange.assert_all_faults_struck()
        await fake_exchange.wait_until(
            lambda: quotes(fake_exchange, game) == [("away", 111), ("home", -115)]
        )


@asynccontextmanager
async def program(exchange: FakeExchange, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bot as a program, and kill it if it outlives the block."""
    settings = {
        "FOURCASTERS_TOKEN": exchange.token,
        "FOURCASTERS_BASE_URL": exchange.url,
        "FOURCASTERS_STREAMING_URL": exchange.streaming_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, quoter.__file__, *words, env={**os.environ, **settings}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a process no signals")
async def test_one_signal_ends_the_program_flat_with_status_0(fake_exchange: FakeExchange) -> None:
    games = [market(fake_exchange)[0] for _ in range(3)]
    async with program(fake_exchange, *[game.game_id for game in games]) as bot:
        await fake_exchange.wait_until(
            lambda: all(quotes(fake_exchange, game) == FIRST for game in games)
        )
        bot.send_signal(signal.SIGTERM)
        assert await bot.wait() == 0
    assert not fake_exchange.open_orders()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a process no signals")
async def test_the_program_ends_with_status_3_if_orders_may_rest(
    fake_exchange: FakeExchange,
) -> None:
    game, *_ = market(fake_exchange)
    async with program(fake_exchange, game.game_id, "--deadline", "0.5") as bot:
        await fake_exchange.wait_until(lambda: quotes(fake_exchange, game) == FIRST)
        fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrders", times=None)
        bot.send_signal(signal.SIGTERM)
        assert await bot.wait() == 3


@pytest.mark.parametrize(
    ("odds", "cents", "better"),
    [
        (110, 5, 115),
        (-110, 5, -105),
        (-103, 5, 102),
        (-105, 5, 100),
        (-106, 5, -101),
        (100, 5, 105),
    ],
)
def test_cents_are_added_across_even_money(odds: float, cents: int, better: int) -> None:
    assert add_cents(odds, cents) == better


def won(odds: float) -> float:
    """Return what a risk of 1 wins."""
    return odds / 100 if odds > 0 else -100 / odds


@given(strategies.odds(longest=1000), st.integers(1, 50))
def test_more_cents_are_always_better_odds_that_there_are(odds: int, cents: int) -> None:
    better = add_cents(odds, cents)
    assert abs(better) >= 100
    assert won(better) > won(odds)
