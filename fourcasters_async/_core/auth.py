"""The token of an account: its use, its renewal, and who is notified of a new one."""

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from math import inf

from aiohttp import hdrs
from attrs import field, frozen
from multidict import CIMultiDict

from fourcasters_async._core.callbacks import ENDS_THE_PROGRAM
from fourcasters_async._core.in_flight import InFlight
from fourcasters_async._core.log import log
from fourcasters_async._core.redaction import Redactor
from fourcasters_async._core.secret import Secret, hidden
from fourcasters_async._core.telemetry import Telemetry
from fourcasters_async._core.validation import check_token
from fourcasters_async._version import __version__
from fourcasters_async.errors import (
    REFUSALS,
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    RateLimitedError,
    SessionClosedError,
)

# Seconds after a login before the next one, if its token was refused at its first use.
_LOGIN_PAUSE = 10.0
# Seconds before the next login after one that failed without a refusal: twice as many each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
# Seconds before the next login after a challenge, which only a person could answer.
_CHALLENGE_PAUSE = 300.0
# Seconds that `close` waits for callbacks.
_CALLBACK_TIMEOUT = 5.0
# As aiohttp keeps them: it takes others apart for each request.
_ANONYMOUS = CIMultiDict({hdrs.USER_AGENT: f"fourcasters_async/{__version__}"})


@frozen
class Credentials:
    """A user name and a password."""

    username: str
    password: Secret = field(repr=False)


_REFUSALS = tuple(kind for kind in REFUSALS.values() if kind is not RateLimitedError)
LogIn = Callable[[Credentials], Awaitable[Secret]]
OnToken = Callable[[str], object]


class Auth:
    """The current token and the headers that carry it, for all requests of a session.

    A token is replaced only if it is still the one that the failed request used. When many
    requests fail with the same token, they wait for one login and share the new token.

    An aged token is replaced by the first request that uses it: its answer brings the new one, and
    every other request in flight with the old one is refused. `in_flight` has those whose answer
    may bring a token.
    """

    token: Secret | None = None
    headers: Mapping[str, str] = _ANONYMOUS
    anonymous: Mapping[str, str] = _ANONYMOUS
    """The headers of a request without a token."""

    def __init__(
        self,
        token: Secret | None,
        credentials: Credentials | None,
        *,
        log_in: LogIn,
        on_token: OnToken | None,
        telemetry: Telemetry,
    ) -> None:
        self._credentials = credentials
        self._log_in = log_in
        self._on_token = on_token
        self._telemetry = telemetry
        self._redactor = Redactor()
        # Bound once, not once per request.
        self.redact: Callable[[str], str] = self._redactor.redact
        """Returns a text without tokens and passwords, which the exchange may quote."""
        if credentials is not None:
            self._redactor.add(credentials.password, "[password]")
        self.in_flight: InFlight[Secret] = InFlight()
        self._rotated: tuple[Secret, Secret] | None = None
        self._refusal: FourcastersError | None = None
        self._refused_until = inf
        self._failure: FourcastersError | None = None
        self._failures = 0
        self._next_login = -inf
        self.unproven: tuple[Secret, float] | None = None
        """The token of the last login and its loop time, until an answer accepts the token."""
        self._login: asyncio.Task[FourcastersError | None] | None = None
        self._notifying: asyncio.Task[None] | None = None
        self._callbacks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._replace(token)

    @property
    def usable(self) -> bool:
        """Whether there is a token or a way to get one."""
        return self.token is not None or self._credentials is not None

    def without_secrets(self, content: bytes) -> bytes:
        """Return an answer without tokens that it quotes: records keep its texts."""
        return self._redactor.in_answer(content)

    def use(self, credentials: Credentials, token: Secret) -> None:
        """Use credentials that were just accepted, and their token, from now on."""
        self._credentials, self._refusal, self.unproven = credentials, None, None
        self._failures, self._next_login = 0, -inf
        self._redactor.add(credentials.password, "[password]")
        self._set(token)

    def accept(self, used: Secret | None) -> None:
        """Note that the exchange accepted the token `used`."""
        if self.unproven is not None and self.unproven[0] == used:
            self.unproven = None

    def learn(self, used: Secret | None, fresh: str | None) -> None:
        """Adopt the `fresh` token that came with an answer, if any, in place of the one `used`."""
        if fresh is None:
            return
        fresh = hidden(fresh)
        try:
            token = check_token(fresh)
        except InvalidRequestError:
            log.debug("the exchange sent an X-Auth-Token that is not valid in a header")
            return
        if used is not None and used == self.token and token != used:
            self._rotated = used, token
            self._set(token, rotated=True)

    def forget(self, used: Secret | None) -> None:
        """Drop a token that was logged out."""
        if used is not None and used == self.token:
            self._replace(None)

    def can_renew(self, used: Secret | None, *, log_in: bool = True) -> bool:
        """Whether a token other than `used` exists, or is worth a login.

        If the token of a login is refused at its first use, another login would not help. It has
        to wait a while. Without `log_in` only the token counts that replaced `used` by rotation.
        """
        if self.token != used:
            return log_in or self._rotated == (used, self.token)
        if not log_in or self._credentials is None or self._standing_refusal() is not None:
            return False
        if self.unproven is None or self.unproven[0] != used:
            return True
        return asyncio.get_running_loop().time() >= self.unproven[1] + _LOGIN_PAUSE

    async def renew(self, used: Secret | None, deadline: float | None) -> FourcastersError | None:
        """Get a token other than `used` by the loop time `deadline`; return why there is none.

        A refused login is not repeated until `use` sets new credentials, or after a challenge for
        some minutes. One that failed is repeated after a pause. A login continues when the requests
        that wait for it give up: later requests need it.
        """
        clock = asyncio.get_running_loop().time
        # Another login may set a token meanwhile.
        while not self._has_other_than(used):
            if self._closed:
                return SessionClosedError("the session was closed while it logged in")
            if (refusal := self._standing_refusal()) is not None:
                return copy.copy(refusal)
            if self._credentials is None:
                return NotSentError("not sent: the token was logged out")
            if self._failure is not None and deadline is not None and self._next_login >= deadline:
                return copy.copy(self._failure)
            if self._login is None or self._login.done():
                self._login = asyncio.create_task(self._log_in_for_all(self._credentials))
            login = self._login
            await asyncio.wait([login], timeout=None if deadline is None else deadline - clock())
            # It is cancelled when a token comes from elsewhere. And a program may cancel all of
            # its tasks, and then still cancel its orders.
            if not login.cancelled():
                return None if self._has_other_than(used) else _login_error(login)
        return None

    def _has_other_than(self, used: Secret | None) -> bool:
        return self.token is not None and self.token != used

    def _standing_refusal(self) -> FourcastersError | None:
        """Return the refusal of a login that still stands."""
        if self._refusal is not None and asyncio.get_running_loop().time() >= self._refused_until:
            self._refusal = None
        return self._refusal

    async def close(self) -> None:
        """Cancel a login, and wait a few seconds for callbacks that were given a token."""
        self._closed = True
        if self._login is not None:
            self._login.cancel()
            await asyncio.wait([self._login])
        if not self._callbacks or asyncio.current_task() in self._callbacks:
            # A callback that closes the session cannot wait for itself, nor for those after it.
            return
        _, late = await asyncio.wait(self._callbacks, timeout=_CALLBACK_TIMEOUT)
        for callback in late:
            callback.cancel()
        if late:
            await asyncio.wait(late)

    async def _log_in_for_all(self, credentials: Credentials) -> FourcastersError | None:
        clock = asyncio.get_running_loop().time
        if (pause := self._next_login - clock()) > 0:
            await asyncio.sleep(pause)
        try:
            token = await self._log_in(credentials)
        except FourcastersError as error:
            if isinstance(error, _REFUSALS):
                if credentials is self._credentials:
                    self._refusal = copy.copy(error)
                    challenged = error.status == HTTPStatus.PRECONDITION_REQUIRED
                    self._refused_until = clock() + _CHALLENGE_PAUSE if challenged else inf
                return error
            # However the login ended, the request that needs it was not sent.
            not_sent = NotSentError(f"not sent: could not log in: {error}")
            not_sent.__cause__ = error
            if credentials is self._credentials:
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures, 32))
                self._failures += 1
                self._failure, self._next_login = copy.copy(not_sent), clock() + pause
            return not_sent
        # The caller may have logged in with other credentials meanwhile.
        if credentials is self._credentials:
            self.unproven = token, clock()
            self._failures, self._next_login = 0, -inf
            self._set(token)
        return None

    def _replace(self, token: Secret | None) -> None:
        if token is not None:
            self._redactor.add(token, "[token]")
        replaced, self.token = self.token, token
        if replaced is not None:
            self.in_flight.wake(replaced)
        # Built once per token, not once per request.
        self.headers = (
            _ANONYMOUS
            if token is None
            else CIMultiDict({**_ANONYMOUS, hdrs.AUTHORIZATION: Secret(f"Bearer {token}")})
        )

    def _set(self, token: Secret, *, rotated: bool = False) -> None:
        self._replace(token)
        self._telemetry.renewals += 1
        if self._telemetry.observer is not None:
            self._telemetry.observer.renewed(rotated=rotated)
        if self._login is not None and self._login is not asyncio.current_task():
            # Nobody needs it any more.
            self._login.cancel()
        if self._on_token is None:
            return
        result, failed = None, None
        try:
            result = self._on_token(str.__str__(token))
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as error:  # noqa: BLE001  # it is the caller's code
            failed = type(error)
        if failed is not None:
            _log_failure(failed)
        elif inspect.isawaitable(result):
            self._notifying = asyncio.create_task(_await_callback(result, after=self._notifying))
            self._callbacks.add(self._notifying)
            self._notifying.add_done_callback(self._callbacks.discard)


def _login_error(login: "asyncio.Task[FourcastersError | None]") -> FourcastersError | None:
    if not login.done():
        return NotSentError("not sent: the deadline passed before the login was answered")
    error = login.result()
    # Every waiting request gets a copy of its own, without the frames of another.
    return None if error is None else copy.copy(error)


async def _await_callback(result: Awaitable[object], *, after: asyncio.Task[None] | None) -> None:
    """Await a callback after the previous one, so that the newest token arrives last."""
    if after is not None:
        await asyncio.wait([after])
    failed = None
    try:
        await result
    except (*ENDS_THE_PROGRAM, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001  # it is the caller's code
        failed = type(error)
    if failed is not None:
        _log_failure(failed)


def _log_failure(failed: type[BaseException]) -> None:
    """Log that a callback failed.

    The text and the frames of its error may hold the token. A handler of the log that fails while
    the error is being handled would show it as its context, so it is called after that.
    """
    log.error("on_token failed: %s", failed.__name__)
