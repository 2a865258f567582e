"""The token of an account: who uses it, who replaces it, and who is told."""

import asyncio
import copy
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from attrs import field, frozen

from fourcasters_async._core.secret import Secret
from fourcasters_async._core.validation import check_token, hidden
from fourcasters_async._version import __version__
from fourcasters_async.errors import (
    AuthenticationError,
    BadRequestError,
    ForbiddenError,
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    SessionClosedError,
)

_log = logging.getLogger("fourcasters_async")

# Seconds before a login whose token was refused at its first use is tried again.
_LOGIN_PAUSE = 10.0
# Seconds that closing waits for those who are told of a token.
_TELLING = 5.0
_RETIRED = 8
# Characters. What is shorter is no secret, and would be found in ordinary words.
_LEAST_SECRET = 6
_ANONYMOUS: Mapping[str, str] = {"User-Agent": f"fourcasters_async/{__version__}"}


@frozen
class Credentials:
    """A user name and a password."""

    username: str
    password: Secret = field(repr=False)


LogIn = Callable[[Credentials], Awaitable[Secret]]
OnToken = Callable[[str], object]


class Auth:
    """The token in use, and the headers of a request with it, for all requests of a session.

    A token is replaced only if it is still the one that the request in question used: of many
    requests that a dead token fails, all wait for one login and take what it got.
    """

    token: Secret | None = None
    headers: Mapping[str, str] = _ANONYMOUS
    anonymous: Mapping[str, str] = _ANONYMOUS
    """The headers of a request that goes without a token."""

    def __init__(
        self,
        token: Secret | None,
        credentials: Credentials | None,
        *,
        log_in: LogIn,
        on_token: OnToken | None,
    ) -> None:
        self._credentials = credentials
        self._log_in = log_in
        self._on_token = on_token
        self._retired: deque[Secret] = deque(maxlen=_RETIRED)
        self._refusal: FourcastersError | None = None
        self.unproven: tuple[Secret, float] | None = None
        """The token of the last login and its loop time, until an answer shows that it serves."""
        self._login: asyncio.Task[FourcastersError | None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._closed = False
        self._replace(token)

    @property
    def usable(self) -> bool:
        """Whether there is a token or a way to get one."""
        return self.token is not None or self._credentials is not None

    def redact(self, text: str) -> str:
        """Take the secrets out of a text in which the exchange may quote them."""
        for token in (self.token, *self._retired):
            text = _without(token, "[token]", text)
        if self._credentials is not None:
            text = _without(self._credentials.password, "[password]", text)
        return text

    def use(self, credentials: Credentials, token: Secret) -> None:
        """Take credentials that were just accepted, and their token."""
        self._credentials, self._refusal, self.unproven = credentials, None, None
        self._set(token)

    def learn(self, used: Secret | None, *, accepted: bool, fresh: str | None) -> None:
        """Take from an answer what it says of the token `used`, and a `fresh` one beside it."""
        if accepted and self.unproven is not None and self.unproven[0] == used:
            self.unproven = None
        if fresh is None:
            return
        fresh = hidden(fresh)
        try:
            token = check_token(fresh)
        except InvalidRequestError:
            _log.debug("the exchange sent an X-Auth-Token that no header can hold")
            return
        if used is not None and used == self.token and token != used:
            self._set(token)

    def forget(self, used: Secret | None) -> None:
        """Drop a token that was logged out."""
        if used is not None and used == self.token:
            self._replace(None)

    def can_renew(self, used: Secret | None) -> bool:
        """Whether asking for another token than `used` can help.

        A token that a login has just brought and that was refused at once would be no better
        the next time: logging in again has to wait a while.
        """
        if self.token != used:
            return True
        if self._credentials is None or self._refusal is not None:
            return False
        if self.unproven is None or self.unproven[0] != used:
            return True
        return asyncio.get_running_loop().time() >= self.unproven[1] + _LOGIN_PAUSE

    async def renew(self, used: Secret | None, deadline: float | None) -> FourcastersError | None:
        """Get another token than `used` by the loop time `deadline`; return why there is none.

        A refused login is not tried again: only `use` makes it possible. The login goes on when
        those who wait for it give up, for those who come next.
        """
        clock = asyncio.get_running_loop().time
        # It may be another login that brings a token.
        while not self._has_other_than(used):
            if self._closed:
                return SessionClosedError("the session was closed while it logged in")
            if self._refusal is not None:
                return copy.copy(self._refusal)
            if self._credentials is None:
                return NotSentError("not sent: the token was logged out")
            if self._login is None or self._login.done():
                self._login = asyncio.create_task(self._renewed(self._credentials))
            login = self._login
            await asyncio.wait([login], timeout=None if deadline is None else deadline - clock())
            # Somebody may cancel every task there is, and still want to be flat.
            if not login.cancelled():
                return None if self._has_other_than(used) else _why_not(login)
        return None

    def _has_other_than(self, used: Secret | None) -> bool:
        return self.token is not None and self.token != used

    async def close(self) -> None:
        """End a login, and wait a while until whoever is told of tokens has been."""
        self._closed = True
        if self._login is not None:
            self._login.cancel()
            await asyncio.wait([self._login])
        telling = self._telling
        if telling is None or telling is asyncio.current_task():
            return
        await asyncio.wait([telling], timeout=_TELLING)
        if not telling.done():
            telling.cancel()
            await asyncio.wait([telling])

    async def _renewed(self, credentials: Credentials) -> FourcastersError | None:
        try:
            token = await self._log_in(credentials)
        except (AuthenticationError, BadRequestError, ForbiddenError) as refusal:
            if credentials is self._credentials:
                self._refusal = copy.copy(refusal)
            return refusal
        except FourcastersError as error:
            # Whatever came of the login, the request that needs it has not left.
            not_sent = NotSentError(f"not sent: could not log in: {error}")
            not_sent.__cause__ = error
            return not_sent
        # Somebody may have logged in as somebody else meanwhile.
        if credentials is self._credentials:
            self.unproven = token, asyncio.get_running_loop().time()
            self._set(token)
        return None

    def _replace(self, token: Secret | None) -> None:
        if self.token is not None:
            self._retired.append(self.token)
        self.token = token
        # Made once a token, not once a request.
        self.headers = (
            _ANONYMOUS
            if token is None
            else {**_ANONYMOUS, "Authorization": Secret(f"Bearer {token}")}
        )

    def _set(self, token: Secret) -> None:
        self._replace(token)
        if self._on_token is None:
            return
        try:
            told = self._on_token(str.__str__(token))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # it is the caller's code
            _not_told(error)
            return
        if inspect.isawaitable(told):
            self._telling = asyncio.create_task(_tell(told, after=self._telling))


def _without(secret: Secret | None, stand_in: str, text: str) -> str:
    if secret is None or len(secret) < _LEAST_SECRET:
        return text
    return text.replace(secret, stand_in)


def _why_not(login: "asyncio.Task[FourcastersError | None]") -> FourcastersError | None:
    if not login.done():
        return NotSentError("not sent: the deadline passed before the login was answered")
    error = login.result()
    # Each who waited gets an exception of its own, and none another's frames.
    return None if error is None else copy.copy(error)


async def _tell(told: Awaitable[object], *, after: asyncio.Task[None] | None) -> None:
    """Let a caller's coroutine run, once the one before it has: the last token comes last."""
    if after is not None:
        await asyncio.wait([after])
    try:
        await told
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # it is the caller's code
        _not_told(error)


def _not_told(error: BaseException) -> None:
    # The text and the frames of the error may hold the token that it was told.
    _log.error("on_token failed: %s", type(error).__name__)
