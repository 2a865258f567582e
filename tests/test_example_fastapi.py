"""The desk of `examples/fastapi`, as a process, over HTTP."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from desk_process import Desk, game_with_orders, running_desk
from support import until

from fourcasters_async.testing import FakeExchange, faults

for needed in ("fastapi", "uvicorn", "sse_starlette"):
    pytest.importorskip(
        needed, reason=f"{needed} is not installed: pip install '.[examples-tests]'"
    )
if sys.platform == "win32":
    pytest.skip("Windows sends a process no signals", allow_module_level=True)

pytestmark = pytest.mark.real_time
Told = list[tuple[str, dict[str, Any]]]


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    kind = ""
    async for line in response.content:
        name, _, value = line.decode().rstrip("\r\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


@asynccontextmanager
async def posted(
    at: Desk, path: str, body: object, **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as user,
        user.post(f"{at.url}{path}", json=body, headers=named) as response,
    ):
        yield response


async def halt(at: Desk, games: list[str] | None = None) -> Told:
    async with posted(at, "/halt", {} if games is None else {"games": games}) as response:
        assert response.status == 200
        return [event async for event in events_of(response)]


async def get(at: Desk, path: str, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as user,
        user.get(at.url + path, headers=headers) as response,
    ):
        return response.status, await response.text()


async def health(at: Desk) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((await get(at, "/health"))[1])
    return document


async def test_a_halt_tells_of_each_game_and_at_last_of_all(fake_exchange: FakeExchange) -> None:
    games = [game_with_orders(fake_exchange, name).game_id for name in ("One", "Two", "Three")]
    async with running_desk(fake_exchange) as at:
        *outcomes, (kind, done) = await halt(at, games[:2])
        assert sorted(told["game"] for _, told in outcomes) == sorted(games[:2])
        assert {told["state"] for _, told in outcomes} == {"clear"}
        assert (kind, done["clear"]) == ("done", True)
        assert {order.game_id for order in fake_exchange.open_orders()} == {games[2]}


async def test_a_halt_of_everything_leaves_nothing(fake_exchange: FakeExchange) -> None:
    for name in ("One", "Two"):
        game_with_orders(fake_exchange, name)
    async with running_desk(fake_exchange) as at:
        *outcomes, (_, done) = await halt(at)
        assert len(outcomes) == 2
        assert done["clear"] is True
        assert not fake_exchange.open_orders()
        assert (await health(at))["halted"]["everything"] is True


async def test_an_outcome_is_told_while_another_game_is_not_known(
    fake_exchange: FakeExchange,
) -> None:
    quick = game_with_orders(fake_exchange, "Quick").game_id
    slow = game_with_orders(fake_exchange, "Slow").game_id
    fake_exchange.inject(faults.Stall(), game_id=slow, times=None)
    async with (
        running_desk(fake_exchange, halt_deadline=3600.0) as at,
        posted(at, "/halt", {"games": [slow, quick]}) as response,
    ):
        _, told = await anext(events_of(response))
        assert (told["game"], told["state"]) == (quick, "clear")
        fake_exchange.clear_faults()


async def test_a_game_that_is_not_known_to_be_clear_has_its_reason(
    fake_exchange: FakeExchange,
) -> None:
    good, bad = (game_with_orders(fake_exchange, name).game_id for name in ("Good", "Bad"))
    fake_exchange.inject(faults.Unavailable(), game_id=bad, times=None)
    async with running_desk(fake_exchange, halt_deadline=1.0) as at:
        *outcomes, (_, done) = await halt(at, [good, bad])
        states = {told["game"]: told["state"] for _, told in outcomes}
        reasons = {told["game"]: told["reason"] for _, told in outcomes}
        assert states == {good: "clear", bad: "unknown"}
        assert "3 orders still open" in reasons[bad]
        assert done["clear"] is False
        fake_exchange.clear_faults()


async def test_a_halt_goes_on_when_whoever_asked_hangs_up(fake_exchange: FakeExchange) -> None:
    game = game_with_orders(fake_exchange, "One").game_id
    fake_exchange.inject(faults.Unavailable(), game_id=game, times=3)
    async with running_desk(fake_exchange, halt_deadline=60.0) as at:
        async with posted(at, "/halt", {"games": [game]}):
            pass
        await until(lambda: not fake_exchange.open_orders())


async def test_resume_lets_orders_be_placed_again(fake_exchange: FakeExchange) -> None:
    game = game_with_orders(fake_exchange, "One").game_id
    async with running_desk(fake_exchange) as at:
        await halt(at, [game])
        assert (await health(at))["halted"]["games"] == [game]
        async with posted(at, "/resume", {"games": [game]}) as response:
            assert (await response.json())["halted"]["games"] == []


async def test_what_can_only_be_a_mistake_halts_nothing(fake_exchange: FakeExchange) -> None:
    game_with_orders(fake_exchange, "One")
    mistakes = [{"games": []}, {"games": ["no id"]}, {"game": "a" * 24}, {"games": "a" * 24}]
    async with running_desk(fake_exchange) as at:
        for body in mistakes:
            async with posted(at, "/halt", body) as response:
                assert response.status == 422, body
        halted = (await health(at))["halted"]
        assert (halted["everything"], halted["games"]) == (False, [])
        assert len(fake_exchange.open_orders()) == 3


async def test_a_page_of_another_origin_changes_nothing(fake_exchange: FakeExchange) -> None:
    game_with_orders(fake_exchange, "One")
    others = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ]
    async with running_desk(fake_exchange) as at:
        for headers in others:
            for path in ("/halt", "/resume"):
                async with posted(at, path, {}, **headers) as response:
                    assert response.status == 403, (path, headers)
        assert len(fake_exchange.open_orders()) == 3
        assert (await health(at))["halted"]["everything"] is False


async def test_another_host_name_is_refused(fake_exchange: FakeExchange) -> None:
    async with running_desk(fake_exchange) as at:
        assert (await get(at, "/health", Host="evil.example"))[0] == 400


async def test_nothing_that_it_sends_has_the_token(fake_exchange: FakeExchange) -> None:
    game_with_orders(fake_exchange, "One")
    async with running_desk(fake_exchange) as at:
        sent = [(await get(at, path))[1] for path in ("/", "/page/page.js", "/health")]
        async with (
            aiohttp.ClientSession() as user,
            user.get(f"{at.url}/events") as response,
        ):
            sent.append(str(await anext(events_of(response))))
    assert "One Hosts" in sent[-1]
    assert not [text for text in sent if fake_exchange.token in text]


async def test_it_listens_on_one_address_of_this_machine_alone(
    fake_exchange: FakeExchange,
) -> None:
    async with running_desk(fake_exchange) as at:
        port = int(at.url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", port)


async def test_health_tells_the_switch_the_feed_and_the_limit(fake_exchange: FakeExchange) -> None:
    async with running_desk(fake_exchange) as at:
        told = await once_well(at, well=True)
        assert told["switch"] == "armed"
        assert told["feed"] == {"current": True, "since": None, "doubt": None}
        assert told["rate_limit"] == {"requests": 3000, "window": 60.0, "waiting": False}


async def test_health_is_an_error_while_the_own_orders_are_not_known(
    fake_exchange: FakeExchange,
) -> None:
    async with running_desk(fake_exchange) as at:
        await once_well(at, well=True)
        fake_exchange.inject(faults.Unavailable(), endpoint="user", times=None)
        await fake_exchange.drop_sockets(endpoint="user")
        assert (await once_well(at, well=False))["feed"]["doubt"] == "the feed is down"
        assert (await get(at, "/health"))[0] == 503
        fake_exchange.clear_faults()


async def once_well(at: Desk, *, well: bool) -> dict[str, Any]:
    while (told := await health(at))["well"] is not well:  # noqa: ASYNC110  # it is another process
        await asyncio.sleep(0.05)
    return told


@pytest.mark.parametrize("by_uvicorn", [False, True], ids=["program", "uvicorn"])
async def test_a_signal_ends_the_streams_and_leaves_nothing(
    fake_exchange: FakeExchange, *, by_uvicorn: bool
) -> None:
    game_with_orders(fake_exchange, "One")
    async with (
        running_desk(fake_exchange, by_uvicorn=by_uvicorn) as at,
        aiohttp.ClientSession() as user,
        user.get(f"{at.url}/events") as response,
    ):
        events = events_of(response)
        assert (await anext(events))[0] == "board"
        # uvicorn gives itself the signal again, once it has shut down.
        assert await at.end() == (-signal.SIGTERM if by_uvicorn else 0)
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_exit_status_is_3_if_it_is_not_known_that_nothing_rests(
    fake_exchange: FakeExchange, number: signal.Signals
) -> None:
    game_with_orders(fake_exchange, "One")
    async with running_desk(fake_exchange, flat_deadline=0.5) as at:
        fake_exchange.inject(faults.Unavailable(), times=None)
        assert await at.end(number) == 3
