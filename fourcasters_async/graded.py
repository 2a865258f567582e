"""The reads of graded bets."""

from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Protocol

from fourcasters_async import models
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import check_moment, check_text, optional
from fourcasters_async.errors import DecodeError, InvalidRequestError


class _ReadPage(Protocol):
    async def __call__(
        self, since: datetime | None = None, *, cursor: str | None = None
    ) -> "models.GradedPage": ...


class GradedSince:
    """Graded bets in the order in which they were settled: `Account.graded_since`."""

    def __init__(self, read: _ReadPage, since: datetime | None, cursor: str | None) -> None:
        self._read = read
        self._since = since
        self._cursor = cursor

    @property
    def cursor(self) -> str | None:
        """Where the next page begins: after the last page of which every bet was handed out.

        `None` before the first page, if iteration began with `since`. It can be kept, and is valid
        for this account alone.
        """
        return self._cursor

    async def __aiter__(self) -> "AsyncIterator[models.GradedBet]":
        """Yield each bet until the last that is graded by now."""
        has_more = True
        while has_more:
            before = self._cursor
            page = (
                await self._read(self._since) if before is None else await self._read(cursor=before)
            )
            for bet in page.graded:
                yield bet
            # Only now, so that a program that is ended half-way through a page loses none of it.
            self._cursor, has_more = page.cursor, page.has_more
            if has_more and page.cursor == before:
                raise DecodeError(
                    "GET /user/v2/getGradedSince: $.data.cursor: there is more, and no way to it",
                    path="$.data.cursor",
                )


class GradedReads:
    """The reads of graded bets, which are a part of `session.account`.

    `deadline` is the seconds that a read may take, by default the session's `timeout`.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def get_graded(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        deadline: float | None = None,
    ) -> "models.GradedBets":
        """Return the graded bets on games that started in a window: `GET /user/v2/getGraded`.

        The window goes from `start` to just before `end`, both timezone-aware; without an `end`
        until now, without a `start` over the whole history. The exchange refuses a window of more
        than 35 days (`BadRequestError`). The session sends at most 60 of these in a minute, and
        then waits. To follow what is graded, use `graded_since`. Raises what
        `Account.get_unmatched` raises.
        """
        return await self._sender.call(
            _graded_in("GET /user/v2/getGraded", Kind.GRADED, start, end), deadline=deadline
        )

    async def get_graded_wagers(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        deadline: float | None = None,
    ) -> "models.GradedBets":
        """Return graded bets from the old address: `GET /user/getGradedWagers`.

        As `get_graded`, which is to be preferred, and within the same 60 requests in a minute.
        Raises as it does.
        """
        return await self._sender.call(
            _graded_in("GET /user/getGradedWagers", Kind.GRADED, start, end), deadline=deadline
        )

    async def get_graded_since(
        self,
        since: datetime | None = None,
        *,
        cursor: str | None = None,
        deadline: float | None = None,
    ) -> "models.GradedPage":
        """Return one page of what was graded, in that order: `GET /user/v2/getGradedSince`.

        Begin with `since`, which is timezone-aware, and go on with the `cursor` of the page before.
        A page has up to 100 bets. The session asks for at most 10 in 5 seconds, and then waits.
        `graded_since` reads page after page. Raises what `get_unmatched`
        raises, `BadRequestError` for a cursor that is not the account's, and `InvalidRequestError`
        unless exactly one of the two is given.
        """
        if (since is None) is (cursor is None):
            raise InvalidRequestError("since, cursor: give one of the two")
        params = (
            {"since": check_moment(since, "since")}
            if cursor is None
            else {"cursor": check_text(cursor, "cursor")}
        )
        request = Request(
            "GET /user/v2/getGradedSince", models.GradedPage, Kind.GRADED_SINCE, params=params
        )
        return await self._sender.call(request, deadline=deadline)

    def graded_since(
        self,
        since: datetime | None = None,
        *,
        cursor: str | None = None,
        deadline: float | None = None,
    ) -> GradedSince:
        """Iterate over what was graded, page by page: `async for bet in …graded_since(since)`.

        It sends `GET /user/v2/getGradedSince` for each page, and ends with the last bet that is
        graded by now. `GradedSince.cursor` is where to go on:
        keep it, and pass it as `cursor` later, also from another process. A bet comes again when
        its outcome changes: the later one is valid, and `tx_id` identifies it. `deadline` is in
        seconds for each page. Iterating raises what `get_graded_since` raises, and can begin
        again where it stopped.
        """
        if (since is None) is (cursor is None):
            raise InvalidRequestError("since, cursor: give one of the two")
        optional(check_moment, since, "since")
        optional(check_text, cursor, "cursor")
        return GradedSince(partial(self.get_graded_since, deadline=deadline), since, cursor)


def _graded_in(
    endpoint: str, kind: Kind, start: datetime | None, end: datetime | None
) -> "Request[models.GradedBets]":
    window = {"startDate": (start, "start"), "endDate": (end, "end")}
    params = {
        key: check_moment(moment, name)
        for key, (moment, name) in window.items()
        if moment is not None
    }
    return Request(endpoint, models.GradedBets, kind, params=params)
