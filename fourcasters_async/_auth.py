"""The token of an account: who uses it, who replaces it, and who is told."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping

from attrs import field, frozen

from fourcasters_async._secret import Secret
from fourcasters_async.errors import (
    AuthenticationError,
    BadRequestError,
    ForbiddenError,
    FourcastersError,
    NotSentError,
)

_log = logging.getLogger("fourcasters_async")

OnToken = Callable[[str], object]


@frozen
class Credentials:
    """A user name and a password."""

    username: str
    password: Secret = field(repr=False)


LogIn = Callable[[Credentials, float | None], Awaitable[Secret]]


class Auth:
    """The token in use, shared by all requests of a session.

    A token is replaced only if it is still the one that the request in question used: of many
    requests that a dead token fails, the first logs in and the others take what it got.
    """

    def __init__(
        self,
        token: Secret | None,
        credentials: Credentials | None,
        *,
        log_in: LogIn,
        on_token: OnToken | None,
    ) -> None:
        self.token = token
        self._credentials = credentials
        self._log_in = log_in
        self._on_token = on_token
        self._retired: Secret | None = None
        self._refusal: FourcastersError | None = None
        self._one_at_a_time = asyncio.Lock()
        self._telling: set[asyncio.Future[object]] = set()

    @property
    def usable(self) -> bool:
        """Whether there is a token or a way to get one."""
        return self.token is not None or self._credentials is not None

    def headers(self) -> Mapping[str, str]:
        """Return the headers that authorise a request."""
        return {} if self.token is None else {"Authorization": Secret(f"Bearer {self.token}")}

    def redact(self, text: str) -> str:
        """Take the secrets out of a text in which the exchange may quote them."""
        password = None if self._credentials is None else self._credentials.password
        for secret, name in (
            (self.token, "[token]"),
            (self._retired, "[token]"),
            (password, "[password]"),
        ):
            if secret:
                text = text.replace(secret, name)
        return text

    def use(self, credentials: Credentials, token: Secret) -> None:
        """Take credentials that were just accepted, and their token."""
        self._credentials, self._refusal = credentials, None
        self._set(token)

    def adopt(self, token: Secret, used: Secret | None) -> None:
        """Take a fresh token that came with the answer to a request that used `used`."""
        if used is not None and used == self.token and token != used:
            self._set(token)

    def forget(self, used: Secret | None) -> None:
        """Drop a token that was logged out."""
        if used == self.token:
            self._retired, self.token = self.token, None

    async def renew(self, used: Secret | None, deadline: float | None) -> FourcastersError | None:
        """Get another token than `used` by the loop time `deadline`; return why there is none.

        A refused login is not tried again: only `use` makes it possible.
        """
        try:
            async with asyncio.timeout_at(deadline), self._one_at_a_time:
                if self.token is not None and self.token != used:
                    return None
                if self._refusal is not None or self._credentials is None:
                    return self._refusal
                self._set(await self._log_in(self._credentials, deadline))
        except (AuthenticationError, BadRequestError, ForbiddenError) as refusal:
            self._refusal = refusal
            return refusal
        except FourcastersError as error:
            return error
        except TimeoutError:
            return NotSentError("not sent: the deadline passed while another request logged in")
        return None

    def can_renew(self, used: Secret | None) -> bool:
        """Whether asking for another token than `used` can help."""
        return self.token != used or (self._credentials is not None and self._refusal is None)

    async def told(self) -> None:
        """Wait until whoever has to be told of tokens has been."""
        while others := self._telling - {asyncio.current_task()}:
            await asyncio.wait(others)

    def _set(self, token: Secret) -> None:
        self._retired, self.token = self.token, token
        if self._on_token is None:
            return
        try:
            told = self._on_token(str.__str__(token))
        except Exception as error:  # noqa: BLE001  # no cancel may fail for it
            _not_told(error)
            return
        if inspect.isawaitable(told):
            telling = asyncio.ensure_future(told)
            self._telling.add(telling)
            telling.add_done_callback(self._was_told)

    def _was_told(self, telling: "asyncio.Future[object]") -> None:
        self._telling.discard(telling)
        if not telling.cancelled() and (error := telling.exception()) is not None:
            _not_told(error)


def _not_told(error: BaseException) -> None:
    # The text and the frames of the error may hold the token that it was told.
    _log.error("on_token failed: %s", type(error).__name__)
