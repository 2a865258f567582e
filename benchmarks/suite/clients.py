"""The clients in Python that take part: this library, and what people write themselves."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import Any

import aiohttp
import orjson
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from fourcasters_async import AsyncSession, CancelReport, CancelResult, OrdersSocket, RateLimit

from .contestant import CONNECTIONS, Contestant, Done, Exchange

PATH = "/session/cancelAllOrdersForGame"


class Library(Contestant):
    """The library with all of its features on, until `report.ok`.

    With `records`, every record is made too, whether or not the report makes them when asked.
    """

    def __init__(self, exchange: Exchange, *, socket: bool, records: bool = False) -> None:
        super().__init__(exchange)
        self._socket, self._records = socket, records
        self._stack = AsyncExitStack()
        self._verbs: AsyncSession | OrdersSocket | None = None

    async def open(self) -> None:
        """Make the session, and the socket."""
        session = await self._stack.enter_async_context(
            AsyncSession(
                self.exchange.token,
                base_url=self.exchange.url,
                orders_url=self.exchange.orders_url,
                # All rounds together send more in a minute than the exchange allows.
                rate_limit=RateLimit(requests=10**9, reserve=0),
            )
        )
        self._verbs = session
        if self._socket:
            self._verbs = await self._stack.enter_async_context(session.orders_socket())

    async def close(self) -> None:
        """Close the socket, and the session."""
        await self._stack.aclose()

    async def cancel(self, games: Sequence[str], done: Done | None) -> object:
        """Cancel on these games, and ask whether all is well."""
        if self._verbs is None:
            raise RuntimeError("there is no session")
        told = None if done is None else lambda _: done(time.perf_counter())
        report = await self._verbs.cancel_all_orders_for_games(games, on_outcome=told)
        if not report.ok:
            report.raise_for_unsettled()
        if self._records:
            for outcome in report.outcomes:
                for result in outcome.results:
                    if not result.success:
                        raise RuntimeError("an order was not cancelled")
        return report

    def orders(self, answer: CancelReport) -> list[int]:
        """Count the records of each game."""
        return [len(outcome.results) for outcome in answer.outcomes]


class Gathered(Contestant):
    """A request for each game, all gathered: what most people write."""

    async def cancel(self, games: Sequence[str], done: Done | None) -> object:
        """Cancel on these games."""
        return await asyncio.gather(*self._each(games, done))

    def _each(self, games: Sequence[str], done: Done | None) -> Iterable[Awaitable[object]]:
        if done is None:
            return (self.one(game_id) for game_id in games)

        async def told(game_id: str) -> object:
            answer = await self.one(game_id)
            done(time.perf_counter())
            return answer

        return (told(game_id) for game_id in games)

    @abstractmethod
    async def one(self, game_id: str) -> object:
        """Cancel on one game."""

    def orders(self, answer: list[list[Any]]) -> list[int]:
        """Count the records of each game."""
        return [sum(record.success for record in records) for records in answer]


def converter(*, detailed_validation: bool) -> Converter:
    """Return a converter as a user of cattrs would write it."""
    made = Converter(detailed_validation=detailed_validation)
    # Odds are either, and JSON has made them what they are.
    made.register_structure_hook(int | float | None, lambda odds, _: odds)
    hook = make_dict_structure_fn(
        CancelResult,
        made,
        order_id=override(rename="sessionID"),
        game_id=override(rename="gameID"),
        user_reference=override(rename="userReference"),
    )
    made.register_structure_hook(CancelResult, hook)
    return made


class ByHand(Gathered):
    """aiohttp, `gather`, `response.json()` and a generated cattrs hook.

    Tuned, it has no cookie jar, orjson both ways and no detailed validation.
    """

    def __init__(self, exchange: Exchange, *, tuned: bool) -> None:
        super().__init__(exchange)
        self._tuned = tuned
        self._url = exchange.url + PATH
        self._headers = {"Authorization": f"Bearer {exchange.token}"}
        self._converter = converter(detailed_validation=not tuned)

    async def open(self) -> None:
        """Make the session. Its default pool has 100 connections."""
        jar = aiohttp.DummyCookieJar() if self._tuned else None
        self._client = aiohttp.ClientSession(cookie_jar=jar)

    async def close(self) -> None:
        """Close the session."""
        await self._client.close()

    async def one(self, game_id: str) -> object:
        """Cancel on one game."""
        if self._tuned:
            content, headers = orjson.dumps({"gameID": game_id}), self._headers
            headers = {**headers, "Content-Type": "application/json"}
            async with self._client.post(self._url, data=content, headers=headers) as response:
                response.raise_for_status()
                answer = orjson.loads(await response.read())
        else:
            asked = self._client.post(self._url, json={"gameID": game_id}, headers=self._headers)
            async with asked as response:
                response.raise_for_status()
                answer = await response.json()
        return self._converter.structure(answer["data"], list[CancelResult])


class Httpx(Gathered):
    """httpx with a pydantic model of the answer."""

    async def open(self) -> None:
        """Make the client."""
        import httpx  # noqa: PLC0415  # an extra of the benchmarks

        from .models import RestAnswer  # noqa: PLC0415  # as above

        self._model = RestAnswer
        self._client = httpx.AsyncClient(
            base_url=self.exchange.url,
            headers={"Authorization": f"Bearer {self.exchange.token}"},
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            timeout=httpx.Timeout(120),
        )

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def one(self, game_id: str) -> object:
        """Cancel on one game."""
        response = await self._client.post(PATH, json={"gameID": game_id})
        response.raise_for_status()
        return self._model.model_validate_json(response.content).data


class Niquests(Gathered):
    """niquests, and a generated cattrs hook."""

    async def open(self) -> None:
        """Make the session."""
        import niquests  # noqa: PLC0415  # an extra of the benchmarks

        self._client = niquests.AsyncSession(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
        self._client.verify = self.exchange.ca
        self._client.headers["Authorization"] = f"Bearer {self.exchange.token}"
        self._converter = converter(detailed_validation=True)
        # It opens as many connections as there are requests.
        self._places = asyncio.Semaphore(CONNECTIONS)

    async def close(self) -> None:
        """Close the session."""
        await self._client.close()

    async def one(self, game_id: str) -> object:
        """Cancel on one game."""
        async with self._places:
            response = await self._client.post(self.exchange.url + PATH, json={"gameID": game_id})
        response.raise_for_status()
        return self._converter.structure(response.json()["data"], list[CancelResult])


class Threads(Contestant):
    """requests in 100 threads that share a session, and a generated cattrs hook."""

    async def open(self) -> None:
        """Make the session and the threads."""
        import requests  # noqa: PLC0415  # an extra of the benchmarks
        from requests.adapters import HTTPAdapter  # noqa: PLC0415  # as above

        self._client = requests.Session()
        self._client.mount("https://", HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS))
        self._client.verify = self.exchange.ca
        self._client.headers["Authorization"] = f"Bearer {self.exchange.token}"
        self._converter = converter(detailed_validation=True)
        self._pool = ThreadPoolExecutor(CONNECTIONS)

    async def close(self) -> None:
        """Close the session, and end the threads."""
        self._client.close()
        self._pool.shutdown()

    async def cancel(self, games: Sequence[str], done: Done | None) -> object:
        """Cancel on these games."""

        def one(game_id: str) -> list[CancelResult]:
            response = self._client.post(self.exchange.url + PATH, json={"gameID": game_id})
            response.raise_for_status()
            records = self._converter.structure(response.json()["data"], list[CancelResult])
            if done is not None:
                done(time.perf_counter())
            return records

        # Its user has no event loop: the burst runs in a thread of its own.
        return await asyncio.to_thread(lambda: list(self._pool.map(one, games)))

    def orders(self, answer: list[list[CancelResult]]) -> list[int]:
        """Count the records of each game."""
        return [sum(record.success for record in records) for records in answer]


def _bare(exchange: Exchange, *, records: bool) -> Contestant:
    from .bare import Bare  # noqa: PLC0415  # needs an extra of the benchmarks

    return Bare(exchange, records=records)


CLIENTS: dict[str, Callable[[Exchange], Contestant]] = {
    "socket": lambda exchange: Library(exchange, socket=True),
    "socket, records": lambda exchange: Library(exchange, socket=True, records=True),
    "rest": lambda exchange: Library(exchange, socket=False),
    "by hand": lambda exchange: ByHand(exchange, tuned=False),
    "by hand, tuned": lambda exchange: ByHand(exchange, tuned=True),
    "httpx": Httpx,
    "niquests": Niquests,
    "threads": Threads,
    "bare": lambda exchange: _bare(exchange, records=False),
    "bare, records": lambda exchange: _bare(exchange, records=True),
}
NEEDS = {
    "httpx": ("httpx", "pydantic"),
    "niquests": ("niquests",),
    "threads": ("requests",),
    "bare": ("msgspec",),
    "bare, records": ("msgspec",),
}
"""The packages that some need beside the library's own."""


def missing(name: str) -> list[str]:
    """Return the packages that a client needs and that are not installed."""
    return [package for package in NEEDS.get(name, ()) if find_spec(package) is None]
