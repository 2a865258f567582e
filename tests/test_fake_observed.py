"""What a test can ask a sandbox: what came, whether every fault struck, and to wait."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from fake_client import ask, moneyline, place
from support import JumpingLoop

from fourcasters_async import AsyncSession
from fourcasters_async.testing import FakeExchange, faults, feed_faults
from fourcasters_async.testing.records import moment


async def test_a_request_says_when_it_came_over_what_and_what_is_in_it(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.move_clock(90.0)
    await place(fake_exchange, game)
    (request,) = fake_exchange.requests
    assert 90.0 <= request.at <= fake_exchange.now()
    assert (request.endpoint, request.transport) == ("place", "http")
    assert request.body == {"orders": [moneyline(fake_exchange, game)]}


async def test_a_message_came_over_a_websocket_and_its_handshake_over_http(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with session.orders_socket() as orders:
        await orders.cancel_all_orders()
    transports = [(each.endpoint, each.transport) for each in fake_exchange.requests]
    assert transports == [("ws", "http"), ("cancelAll", "websocket")]


async def test_a_command_on_the_price_feed_came_over_a_websocket(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with session.price_feed([fake_exchange.add_game().game_id]):
        await fake_exchange.wait_for("subscribe")
    (command,) = fake_exchange.requests.to("subscribe")
    assert command.transport == "websocket"


async def test_a_body_that_is_no_object_is_empty(fake_exchange: FakeExchange) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{fake_exchange.url}/session/cancel", data=b"[1]"),
    ):
        pass
    assert fake_exchange.requests[-1].body == {}


async def test_requests_are_chosen_by_endpoint_game_and_transport_in_their_order(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(2)]
    for game in games:
        await session.cancel_all_orders_for_game(game)
    async with session.orders_socket() as orders:
        await orders.cancel_all_orders_for_game(games[0])
    requests = fake_exchange.requests
    assert requests.to() == list(requests)
    first, second = requests.to("cancelAllOrdersForGame")
    assert (first.game_id, second.game_id) == tuple(games)
    assert [each.endpoint for each in requests.to(game_id=games[0])] == [
        "cancelAllOrdersForGame",
        "cancelAllByGame",
    ]
    assert requests.to(game_id=games[0], transport="websocket") == [requests[-1]]
    assert requests.to("place") == []


async def test_the_text_of_the_requests_lists_the_last_twenty(fake_exchange: FakeExchange) -> None:
    assert str(fake_exchange.requests) == "nothing was received"
    fake_exchange.inject(faults.Unauthorized(), after=21)
    for _ in range(22):
        await ask(fake_exchange, "GET /user/getMe")
    title, left_out, *lines = str(fake_exchange.requests).splitlines()
    assert (title, left_out.strip(), len(lines)) == ("received:", "… 2 before", 20)
    assert lines[0].endswith(" s: getMe over http")
    assert lines[-1].endswith(" s: getMe over http, struck by Unauthorized()")


async def test_waiting_for_a_request_that_does_not_come_ends_and_says_what_came(
    fake_exchange: FakeExchange,
) -> None:
    await ask(fake_exchange, "GET /user/getMe")
    with pytest.raises(TimeoutError) as caught:
        await fake_exchange.wait_for("place", 2, game_id="a", timeout=0.05)
    first, second = str(caught.value).splitlines()
    assert first == "0 of 2 requests to place about a in 0.05 s; received:"
    assert second.endswith(" s: getMe over http")


@pytest.mark.virtual_time
async def test_waiting_ends_after_thirty_seconds_unless_it_is_told_to_go_on(
    fake_exchange: FakeExchange,
) -> None:
    loop = asyncio.get_running_loop()
    for wait in (lambda: fake_exchange.wait_for("place"), lambda: fake_exchange.wait_until(bool)):
        started = loop.time()
        with pytest.raises(TimeoutError):
            await wait()
        assert loop.time() == pytest.approx(started + 30.0)
    patient = asyncio.create_task(fake_exchange.wait_for("getMe", timeout=None))
    await asyncio.sleep(1000.0)
    await ask(fake_exchange, "GET /user/getMe")
    await patient


async def test_waiting_until_something_is_true_gives_what_is_true(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_game(orders=2)
    assert await fake_exchange.wait_until(fake_exchange.open_orders) == fake_exchange.open_orders()


@pytest.mark.virtual_time
async def test_a_change_in_the_book_is_seen_at_once(fake_exchange: FakeExchange) -> None:
    loop = asyncio.get_running_loop()
    fake_exchange.add_game(orders=1)
    waiting = asyncio.create_task(fake_exchange.wait_until(lambda: not fake_exchange.open_orders()))
    await asyncio.sleep(1.005)
    at = loop.time()
    fake_exchange.book.cancel(fake_exchange.open_orders()[0])
    assert await waiting
    assert loop.time() == at


@pytest.mark.virtual_time
async def test_a_request_is_seen_at_once(fake_exchange: FakeExchange) -> None:
    loop = asyncio.get_running_loop()
    fake_exchange.inject(faults.Stall())
    waiting = asyncio.create_task(fake_exchange.wait_until(lambda: fake_exchange.requests))
    asking = asyncio.create_task(ask(fake_exchange, "GET /user/getMe"))
    await waiting
    (request,) = fake_exchange.requests
    assert request.fault == faults.Stall()
    assert loop.time() < 1000.02 or not isinstance(loop, JumpingLoop)
    asking.cancel()
    await asyncio.wait([asking])


async def test_what_the_exchange_cannot_know_is_seen_soon(fake_exchange: FakeExchange) -> None:
    bot: list[str] = []
    asyncio.get_running_loop().call_later(0.1, bot.append, "halted")
    assert await fake_exchange.wait_until(lambda: bot) == ["halted"]


async def test_an_order_that_expires_meanwhile_is_seen_to_be_gone(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    expiry = moment(fake_exchange.now()) + timedelta(seconds=0.2)
    fake_exchange.book.place(fake_exchange.account, game, expiry=expiry)
    await fake_exchange.wait_until(lambda: not fake_exchange.open_orders())
    assert fake_exchange.now() >= 0.2


async def test_what_never_becomes_true_ends_and_says_what_came(fake_exchange: FakeExchange) -> None:
    await ask(fake_exchange, "GET /user/getMe")
    with pytest.raises(
        TimeoutError, match=r"^not true within 0\.05 s; received:\n  .*: getMe over"
    ):
        await fake_exchange.wait_until(lambda: fake_exchange.received("place"), timeout=0.05)


async def test_an_error_of_the_condition_is_told_as_it_is(fake_exchange: FakeExchange) -> None:
    def fails() -> bool:
        raise TimeoutError("of the bot")

    with pytest.raises(TimeoutError, match=r"^of the bot$"):
        await fake_exchange.wait_until(fails)


async def test_two_who_wait_are_both_woken(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fake_exchange.wait_for("getMe"))
        tasks.create_task(fake_exchange.wait_until(lambda: fake_exchange.received("getMe")))
        tasks.create_task(ask(fake_exchange, "GET /user/getMe"))


async def test_a_fault_that_has_not_struck_is_told_with_what_came_instead(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint="cancel", times=2)
    fake_exchange.inject(faults.Unauthorized(), endpoint="getMe")
    fake_exchange.feeds.user.inject(feed_faults.Drop(), type="filled")
    await ask(fake_exchange, "GET /user/getMe")
    with pytest.raises(AssertionError) as caught:
        fake_exchange.assert_all_faults_struck()
    first, second = str(caught.value).splitlines()
    assert first == (
        "Close(committed=True) on endpoint='cancel', game_id=None struck 0 of 2; "
        "Drop() on endpoint='filled', game_id=None struck 0 of 1 (sent: nothing); received:"
    )
    assert second.endswith(" s: getMe over http, struck by Unauthorized()")


async def test_a_fault_of_a_feed_is_told_with_the_messages_that_were_sent(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.feeds.user.inject(feed_faults.Drop(), type="filled")
    async with session.user_feed() as feed:
        await fake_exchange.wait_until(lambda: len(fake_exchange.feeds.user))
        for _ in range(2):
            fake_exchange.book.place(fake_exchange.account, game)
        await anext(feed)
    with pytest.raises(AssertionError, match=r"struck 0 of 1 \(sent: 2 placed\)"):
        fake_exchange.assert_all_faults_struck()


@pytest.mark.parametrize("committed", [True, False])
async def test_what_was_answered_with_an_error_has_happened_or_not_as_the_test_wants(
    fake_exchange: FakeExchange, *, committed: bool
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    answer = faults.Respond(b'{"error": "no"}', 400, committed=committed)
    fake_exchange.inject(answer, endpoint="cancelAllOrdersForGame")
    await ask(fake_exchange, "POST /session/cancelAllOrdersForGame", gameID=game)
    assert len(fake_exchange.open_orders()) == (0 if committed else 3)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1", None])
def test_a_seed_that_is_no_whole_number_is_refused(seed: object) -> None:
    with pytest.raises(ValueError, match=r"^seed: must be a whole number"):
        FakeExchange(seed=seed)  # type: ignore[arg-type]  # the point of the test


def test_the_seed_of_an_exchange_is_that_of_its_day_unless_another_is_given() -> None:
    def teams(exchange: FakeExchange, seed: int | None = None) -> list[str]:
        exchange.fill_day(seed=seed)
        return [game.away for game in exchange.book.games.values()]

    assert teams(FakeExchange(seed=7)) == teams(FakeExchange(), 7) == teams(FakeExchange(seed=1), 7)
    assert teams(FakeExchange(seed=7)) != teams(FakeExchange())
