"""What `fourcasters doctor` looks at, one check after another. Each only reads."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeVar

import aiohttp
from attrs import evolve

from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async._settings import SessionOptions
from fourcasters_async.cli.clock_skew import ClockSkew
from fourcasters_async.cli.findings import (
    Finding,
    Grade,
    clock_finding,
    failure,
    limit_finding,
    ms,
    refused_token,
    speed,
    token_finding,
)
from fourcasters_async.cli.sessions import TOKEN, TokenSource, has_socket, name_of, session_of
from fourcasters_async.cli.surroundings import (
    Address,
    address_of,
    connect,
    given_address,
    look_up,
    versions,
    without_secrets,
)
from fourcasters_async.cli.wording import UNKNOWN, amount, counted, number, total
from fourcasters_async.errors import (
    REFUSALS,
    ApiError,
    AuthenticationError,
    FourcastersError,
    InvalidRequestError,
    RateLimitedError,
)
from fourcasters_async.session import AsyncSession

T = TypeVar("T")

# Seconds that one check may take.
_EACH = 5.0
_ROUND_TRIPS = 3
# Of a certificate that is about to expire.
_FEW_DAYS = 7
_CONNECTIONS = ("orders socket", "user feed", "price feed")
_NO_SESSION = "not checked: without its settings there is no session"
_NO_ACCOUNT = "not checked: the account cannot be read"
_NO_TOKEN = "none"  # noqa: S105  # no token is that short


class Examination:
    """The checks of one run, which ends `deadline` seconds after it began.

    `tell` is called with each finding, and `wall` returns the seconds since 1970. Make it in the
    event loop that runs it.
    """

    def __init__(
        self,
        source: TokenSource,
        tell: Callable[[Finding], None],
        *,
        deadline: float,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.findings: list[Finding] = []
        self.requests: int = 0
        """How many requests were sent, handshakes included."""
        self.now: str = "settings"
        """The check that is being made."""
        self.reached: bool = False
        """Whether the exchange gave an answer of its own, which may be a refusal."""
        self._source = source
        self._tell = tell
        self._wall = wall
        self._clock = asyncio.get_running_loop().time
        self._ends = self._clock() + deadline
        self._skew = ClockSkew()
        self._limit = RateLimit()
        self._throttled: RateLimitedError | None = None
        # What is said of the token if no session can be made.
        self._no_token = Finding("token", Grade.WARNING, _NO_SESSION)
        # Whether the account can be read.
        self._admitted = False

    async def run(self) -> None:
        """Make all checks. None that fails keeps the others from being made."""
        session = self._settings()
        if session is None:
            await self._server(given_address())
            await self._without_token()
            self._add(self._no_token)
            self._note("round trip", Grade.WARNING, _NO_SESSION)
            self._add(clock_finding(self._skew.seconds))
            for check in (*_CONNECTIONS, "open orders"):
                self._note(check, Grade.WARNING, _NO_SESSION)
        else:
            async with session:
                await self._server(session.base_url)
                await self._exchange(session)
                await self._round_trip(session)
                self._add(clock_finding(self._skew.seconds))
                self.now = "sockets, feeds and open orders"
                made: list[Callable[[], AbstractAsyncContextManager[object]]] = [
                    session.orders_socket,
                    session.user_feed,
                    # Of no games: it need not tell of anything.
                    partial(session.price_feed, []),
                ]
                opening = [self._opened(*each) for each in zip(_CONNECTIONS, made, strict=True)]
                for found in await asyncio.gather(*opening, self._open_orders(session)):
                    self._add(found)
        self._add(limit_finding(self._limit.requests, self.requests, self._throttled))
        self._note("versions", Grade.OK, versions())

    def _options(self) -> SessionOptions:
        return {
            # Half of the time of a request is kept for another attempt, which there is not.
            "timeout": 2 * _EACH,
            "retry": RetryPolicy(max_attempts=1, attempt_timeout=_EACH, connect_timeout=_EACH),
            "rate_limit": self._limit,
            "middlewares": [self._observe],
        }

    def _settings(self) -> AsyncSession | None:
        try:
            session = session_of(self._source, **self._options())
        except InvalidRequestError as error:
            if str(error).startswith(TOKEN):
                to_do = f"run `fourcasters login`, or set {TOKEN}"
                self._no_token = Finding("token", Grade.FAILED, str(error), to_do)
                self._note("settings", Grade.OK, without_secrets(given_address()))
            else:
                self._note("settings", Grade.FAILED, str(error), "correct what it names")
            return None
        if has_socket():
            self._note("settings", Grade.OK, name_of(session))
        else:
            self._note(
                "settings",
                Grade.WARNING,
                "only one of FOURCASTERS_BASE_URL and FOURCASTERS_ORDERS_URL is set",
                "set both, or cancel-games goes over REST alone",
            )
        return session

    async def _server(self, url: str) -> None:
        """Look up the name of the exchange, and connect to it."""
        address = address_of(url)
        if address is None:
            for check in ("name", "connection"):
                self._note(check, Grade.WARNING, _NO_SESSION)
            return
        try:
            self.now = "name"
            found = await self._limited(look_up(address))
        except OSError as error:
            to_do = f"see whether this machine has a name server that knows {address.host}"
            self._note("name", Grade.FAILED, f"{address.host}: {failure('', error).found}", to_do)
            self._note("connection", Grade.WARNING, "not checked: the name has no address")
            return
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        self._note("name", Grade.OK, f"{address.host} is {found[0]}{more}")
        await self._connection(address)

    async def _connection(self, address: Address) -> None:
        self.now = "connection"
        began = self._clock()
        try:
            made = await self._limited(connect(address, self._wall()))
        except OSError as error:
            self._add(failure("connection", error))
            return
        took = self._clock() - began
        secured = "without TLS"
        if made.protocol is not None and made.days is not None:
            secured = f"{made.protocol}, the certificate is valid for {made.days:.0f} days"
        grade, to_do = speed(took)
        if made.days is not None and made.days < _FEW_DAYS:
            grade, to_do = Grade.WARNING, "expect no connection once the certificate is expired"
        self._note("connection", grade, f"made in {ms(took)}; {secured}", to_do, took)

    async def _exchange(self, session: AsyncSession) -> None:
        """Read the account, which says whether the exchange answers and knows the token."""
        self.now = "exchange"
        began = self._clock()
        try:
            await self._limited(session.account.get_me())
        except AuthenticationError as error:
            self.reached = True
            self._note("exchange", Grade.OK, failure("exchange", error).found)
            self._add(refused_token(self._source, error))
            return
        except (FourcastersError, TimeoutError) as error:
            self._note_failure(error)
            self._note("token", Grade.WARNING, f"from {self._source.name}; {_NO_ACCOUNT}")
            return
        took = self._clock() - began
        self.reached = self._admitted = True
        grade, to_do = speed(took)
        self._note("exchange", grade, f"answered 200 in {ms(took)}", to_do, took)
        self._add(token_finding(self._source, self._wall()))

    def _note_failure(self, error: FourcastersError | TimeoutError) -> None:
        self.reached = isinstance(error, tuple(REFUSALS.values()))
        self._see(error)
        found = failure("exchange", error)
        failed = [each.check for each in self.findings if each.grade is Grade.FAILED]
        if failed and not isinstance(error, ApiError):
            found = evolve(found, to_do=f"see the {failed[-1]}")
        self._add(found)

    async def _without_token(self) -> None:
        """Ask with a token that nobody has, which says whether the exchange answers."""
        self.now = "exchange"
        # Not of the environment: another setting of it may be what is wrong.
        options: SessionOptions = {"token": _NO_TOKEN, "base_url": given_address()}
        try:
            async with AsyncSession(**options | self._options()) as session:
                await self._limited(session.account.get_me())
        except InvalidRequestError:
            self._note("exchange", Grade.WARNING, _NO_SESSION)
        except AuthenticationError as error:
            self.reached = True
            text = f"answered {error.status} to a request without a token"
            self._note("exchange", Grade.OK, text)
        except (FourcastersError, TimeoutError) as error:
            self._note_failure(error)

    async def _round_trip(self, session: AsyncSession) -> None:
        self.now = "round trip"
        if not self._admitted:
            self._note("round trip", Grade.WARNING, _NO_ACCOUNT)
            return
        took: list[float] = []

        async def read() -> None:
            for _ in range(_ROUND_TRIPS):
                began = self._clock()
                await session.account.get_me()
                took.append(self._clock() - began)

        try:
            await self._limited(read())
        except (FourcastersError, TimeoutError) as error:
            self._see(error)
            self._add(failure("round trip", error))
            return
        median = statistics.median(took)
        grade, to_do = speed(median)
        text = f"{ms(median)}, the median of {len(took)} reads over REST"
        self._note("round trip", grade, text, to_do, median)

    async def _opened(
        self, check: str, make: Callable[[], AbstractAsyncContextManager[object]]
    ) -> Finding:
        """Make the connection of a socket or a feed, and close it."""
        began = self._clock()

        async def open_and_close() -> float:
            async with make():
                return self._clock() - began

        try:
            took = await self._limited(open_and_close())
        except (FourcastersError, TimeoutError) as error:
            self._see(error)
            found = failure(check, error)
            same = isinstance(error, AuthenticationError) and not self._admitted
            return evolve(found, to_do="see the token") if same else found
        grade, to_do = speed(took)
        return Finding(check, grade, f"connected in {ms(took)}", to_do, took)

    async def _open_orders(self, session: AsyncSession) -> Finding:
        if not self._admitted:
            return Finding("open orders", Grade.WARNING, _NO_ACCOUNT)
        try:
            orders = await self._limited(session.account.get_unmatched())
        except (FourcastersError, TimeoutError) as error:
            self._see(error)
            return failure("open orders", error)
        games = len({order.game_id for order in orders})
        remaining = amount(total(order.remaining for order in orders), UNKNOWN)
        text = f"{number(len(orders))} on {counted(games, 'game')}, {remaining} remaining"
        return Finding("open orders", Grade.OK, text, value=len(orders))

    async def _observe(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Count a request, and take the time of its answer."""
        self.requests += 1
        sent = self._wall()
        response = await handler(request)
        self._skew.learn(sent, self._wall(), response.headers.get("Date"))
        return response

    async def _limited(self, job: Awaitable[T]) -> T:
        """Await a job for as long as a check may take. Raises `TimeoutError`."""
        async with asyncio.timeout_at(min(self._ends, self._clock() + _EACH)):
            return await job

    def _see(self, error: Exception) -> None:
        if isinstance(error, RateLimitedError):
            self._throttled = error

    def _note(
        self,
        check: str,
        grade: Grade,
        found: str,
        to_do: str = "",
        value: float | None = None,
    ) -> None:
        self._add(Finding(check, grade, found, to_do, value))

    def _add(self, found: Finding) -> None:
        self.findings.append(found)
        self._tell(found)
