"""AsyncSession: its lifetime, and the order verbs over REST."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Self, TypedDict, Unpack

import aiohttp
from attrs import evolve

from fourcasters_async._checks import (
    check_callback,
    check_count,
    check_id,
    check_list,
    check_market_type,
    check_markets,
    check_order_id,
    check_seconds,
    check_token,
    check_url,
    hidden,
    is_order_id,
)
from fourcasters_async._http import Http
from fourcasters_async._pacing import RetryPolicy
from fourcasters_async._reply import Settled
from fourcasters_async._request import Effect, Request
from fourcasters_async.account import UNMATCHED, Account
from fourcasters_async.errors import InvalidRequestError, SessionClosedError
from fourcasters_async.fanout import fan_out, prove_clear
from fourcasters_async.models import (
    CancelReport,
    CancelResult,
    GameMarket,
    GameOutcome,
    MarketType,
)
from fourcasters_async.rate_limit import RateLimit

_RESULTS = list[CancelResult]

BASE_URL = "https://api.4casters.io"

# Keeps a body well below what a server takes, and one answer below what it may take.
_IDS_AT_ONCE = 1000


class SessionOptions(TypedDict, total=False):
    """The options that `AsyncSession` takes beside the credentials."""

    base_url: str
    client_session: aiohttp.ClientSession | None
    timeout: float
    max_connections: int
    retry: RetryPolicy | None
    rate_limit: RateLimit | None


class AsyncSession:
    """An account at the exchange, and the pool of connections to it.

    `token` authorises every request. `base_url` is the REST address, `https` unless it is on this
    machine. `client_session` is an `aiohttp.ClientSession` of yours, used and never closed: a
    proxy, a connector, tracing come in that way. `timeout` is the seconds that one verb may take,
    its repetitions included. `max_connections` bounds the pool and the requests in flight.
    `retry` says how requests are repeated, `rate_limit` how many may be sent; give one object to
    all sessions that leave from one address.

    Making a session does no I/O and needs no event loop. It is used in one event loop, as
    `async with AsyncSession(…) as session`, or closed with `close()`; closed, it stays closed.

    Raises `InvalidRequestError`, naming the argument, for what can only be a mistake.
    """

    account: Account
    """What the exchange knows of the account."""

    def __init__(
        self,
        token: str | None = None,
        *,
        base_url: str = BASE_URL,
        client_session: aiohttp.ClientSession | None = None,
        timeout: float = 20.0,
        max_connections: int = 100,
        retry: RetryPolicy | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        # A mistake in any argument shows the locals of this frame.
        token, base_url = hidden(token), hidden(base_url)
        if not isinstance(client_session, aiohttp.ClientSession | None):
            raise InvalidRequestError("client_session: must be an aiohttp.ClientSession")
        self._max_connections = check_count(max_connections, "max_connections")
        self._timeout = check_seconds(timeout, "timeout")
        self._http = Http(
            check_url(base_url, "base_url", "https"),
            None if token is None else check_token(token),
            client_session=client_session,
            timeout=self._timeout,
            max_connections=max_connections,
            retry=retry or RetryPolicy(),
            rate_limit=rate_limit or RateLimit(),
        )
        self.account = Account(self._http)

    @property
    def base_url(self) -> str:
        """The REST address of the exchange."""
        return self._http.base_url

    @classmethod
    def from_env(cls, **options: Unpack[SessionOptions]) -> Self:
        """Make a session of `FOURCASTERS_TOKEN` and, where it is set, `FOURCASTERS_BASE_URL`.

        `options` are those of `AsyncSession`. Raises `InvalidRequestError` without a token.
        """
        token = hidden(os.environ.get("FOURCASTERS_TOKEN"))
        if not token:
            raise InvalidRequestError("FOURCASTERS_TOKEN: not set; set it to your token")
        options.setdefault("base_url", os.environ.get("FOURCASTERS_BASE_URL") or BASE_URL)
        return cls(token, **options)

    async def __aenter__(self) -> Self:
        """Return the session itself."""
        if self._http.closed:
            raise SessionClosedError("the session is closed; make a new AsyncSession")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        await self.close()

    async def close(self) -> None:
        """Close the pool, unless it is yours, and refuse every later request.

        What is in flight ends as `OutcomeUnknownError`. Closing twice is closing once.
        """
        await self._http.close()

    async def cancel_all_orders_for_game(
        self,
        game_id: str,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
    ) -> list[CancelResult]:
        """Cancel every open order on a game: `POST /session/cancelAllOrdersForGame`.

        With a `type`, only the orders of that market type. Returns one result an order; an order
        that could not be cancelled is a result whose `success` is false, not an exception. An
        empty list is the exchange's word that there was nothing to cancel.

        Raises `InvalidRequestError` before anything is sent, `NotSentError` if nothing reached
        the exchange, `OutcomeUnknownError` if the orders may or may not be cancelled, and an
        `ApiError` if the exchange refused.
        """
        market = GameMarket(check_id(game_id, "game_id"), check_market_type(type))
        return await self._http.call(_cancel_all_orders_for_game(market))

    async def cancel_all_orders_for_games(
        self,
        games: Iterable[str | GameMarket],
        *,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        deadline: float | None = None,
        verify: bool = False,
        on_outcome: Callable[[GameOutcome], object] | None = None,
    ) -> CancelReport:
        """Cancel every open order on many games at once, and say what is known of each.

        `games` are game ids and `GameMarket`s; `type` is the market type of the plain ids. Each
        distinct one is sent once, to `POST /session/cancelAllOrdersForGame`, and has one outcome
        in the report, in input order, whatever happened to it or to the others. No games, no
        request: an empty input never means all games.

        `deadline` is the seconds after which the report is wanted: games in flight are then
        `UNKNOWN`, games not begun `NOT_SENT`. Without it each game has the session's `timeout`.

        With `verify`, the account's open orders are read after the last answer, with
        `GET /user/getUnmatched`; what still rests on the games, orders placed in between
        included, is cancelled by id with `POST /session/cancelMultiple`, until a read shows none
        or the time is up. `GameOutcome.resting` and `CancelReport.verified_clear` say what was
        seen. After an `UNKNOWN` attempt a late execution is still possible: it can take orders
        that you place after the proof.

        `on_outcome` is called in the event loop with each outcome once it is known, before any
        verification; what it raises is logged. If you cancel the call, requests in flight are
        ended, which does not undo them at the exchange.

        Raises `InvalidRequestError` for the arguments, before anything is sent, and
        `SessionClosedError`; nothing else.
        """
        markets = check_markets(games, type)
        if deadline is not None:
            deadline = check_seconds(deadline, "deadline")
        if on_outcome is not None:
            check_callback(on_outcome, "on_outcome")
        self._http.ensure_usable()
        clock = asyncio.get_running_loop().time
        started = clock()
        await self._http.catch_up()
        until = None if deadline is None else started + deadline

        def cancel(market: GameMarket) -> Awaitable[Settled[list[CancelResult]]]:
            return self._http.send(_cancel_all_orders_for_game(market), deadline=until)

        outcomes = await fan_out(
            markets, cancel, at_once=self._max_connections, on_outcome=on_outcome
        )
        if verify and outcomes:
            end = clock() + self._timeout if until is None else until
            outcomes = await prove_clear(
                outcomes,
                lambda: self._http.call(evolve(UNMATCHED, urgent=True), deadline=end),
                lambda order_ids: self._cancel_by_id(order_ids, end),
                until=end,
            )
        return CancelReport(tuple(outcomes), elapsed=clock() - started)

    async def cancel_multiple(self, order_ids: Iterable[str]) -> list[CancelResult]:
        """Cancel orders by id: `POST /session/cancelMultiple`.

        Returns one result an id, in the order of `order_ids`, each with the `order_id` that was
        asked for. An order that could not be cancelled is a result whose `success` is false. No
        ids, no request.

        Raises `InvalidRequestError` before anything is sent, also for a single id that cannot be
        one: the exchange refuses the whole request for it. Otherwise raises as
        `cancel_all_orders_for_game`.
        """
        ids = [
            check_order_id(order_id, f"order_ids[{index}]")
            for index, order_id in enumerate(check_list(order_ids, "order_ids"))
        ]
        return await self._cancel_multiple(ids) if ids else []

    async def _cancel_by_id(self, order_ids: list[str], deadline: float) -> list[CancelResult]:
        # One id that the exchange calls malformed would fail the whole request.
        ids = [order_id for order_id in order_ids if is_order_id(order_id)]
        results: list[CancelResult] = []
        for start in range(0, len(ids), _IDS_AT_ONCE):
            results += await self._cancel_multiple(ids[start : start + _IDS_AT_ONCE], deadline)
        return results

    async def _cancel_multiple(
        self, order_ids: list[str], deadline: float | None = None
    ) -> list[CancelResult]:
        def one_each(results: list[CancelResult]) -> str | None:
            if len(results) != len(order_ids):
                return f"{len(results)} results for {len(order_ids)} ids"
            for asked, result in zip(order_ids, results, strict=True):
                if result.order_id and result.order_id.casefold() != asked.casefold():
                    return f"about order {result.order_id} where {asked} was asked for"
            return None

        request = Request(
            "POST",
            "/session/cancelMultiple",
            list[CancelResult],
            Effect.CANCEL,
            body={"sessionIDs": order_ids},
            check=one_each,
        )
        results = await self._http.call(request, deadline=deadline)
        for order_id, result in zip(order_ids, results, strict=True):
            result.order_id = order_id
        return results


def _cancel_all_orders_for_game(market: GameMarket) -> Request[list[CancelResult]]:
    body = {"gameID": market.game_id}
    if market.type is not None:
        body["type"] = market.type

    def check(results: list[CancelResult]) -> str | None:
        # An answer to another request, strayed onto this one's connection, names another game.
        named = {result.game_id.casefold() for result in results if result.game_id}
        if named and market.game_id.casefold() not in named:
            return f"about game {min(named)} where {market.game_id} was asked for"
        return None

    return Request(
        "POST",
        "/session/cancelAllOrdersForGame",
        _RESULTS,
        Effect.CANCEL,
        body=body,
        check=check,
    )
