"""One connection to the Orders WebSocket: what it carries, and what is lost with it."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

import aiohttp
from attrs import define

from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._core.secret import Secret
from fourcasters_async._http.response import no_response
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async._websocket.frames import read

_log = logging.getLogger("fourcasters_async")

Document = Mapping[str, object]

_STOPPED = "the connection was given up"
# Seconds that the other end has to take a close.
_CLOSING = 1.0
# Turns of the loop in which the reader takes what came while the loop was blocked.
_TURNS = 3
_DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


@define(eq=False)
class _Asked:
    """A request on its way. `left` is when its frame was handed on to be written."""

    frame: bytes
    answer: "asyncio.Future[Document | NoResponse]"
    ends: float
    left: float | None = None


class Connection:
    """One WebSocket, on which any number of requests wait for their answers.

    It knows of each whether its frame left, so that what is lost with the connection is known to
    be not sent, or known to be unknown. `silence` is the seconds of it that prove nothing: a
    caller in a hurry is no sign that the other end is dead.
    """

    def __init__(self, socket: BufferedWebSocket, token: Secret, *, silence: float) -> None:
        self._silence = silence
        self.token = token
        """The token that the handshake was made with."""
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        """Why the connection is gone, once it is."""
        self._heard = self._loop.time()
        # An answer that comes late, on another connection, must not find a namesake.
        self._prefix = secrets.token_hex(4)
        self._count = 0
        self._asked: dict[str, _Asked] = {}
        self._unwritten: deque[_Asked] = deque()
        self._more: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = (
            asyncio.create_task(self._read()),
            asyncio.create_task(self._write()),
        )

    async def ask(self, encode: Callable[[str], bytes], ends: float) -> Document | NoResponse:
        """Send what `encode` makes with an id, and return the answer, by the loop time `ends`."""
        if self.lost.done():
            return NoResponse(self.lost.result(), not_sent=True, stale=True)
        self._count += 1
        request_id = f"{self._prefix}-{self._count}"
        answer: asyncio.Future[Document | NoResponse] = self._loop.create_future()
        asked = self._asked[request_id] = _Asked(encode(request_id), answer, ends)
        self._unwritten.append(asked)
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        if self._timer is None or ends < self._timer.when():
            self._end_at(ends)
        try:
            return await answer
        finally:
            self._asked.pop(request_id, None)

    async def close(self) -> None:
        """Close it. What waits for an answer is lost."""
        self.lose("the connection was closed")
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
            # It waits until the other end reads.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING):
                    await self._socket.close()
        finally:
            self._socket.abort()

    async def _write(self) -> None:
        try:
            while True:
                while self._unwritten:
                    asked = self._unwritten.popleft()
                    if asked.answer.done():
                        continue
                    asked.left = self._loop.time()
                    # Waits where the other end does not read; what is behind has not left then.
                    await self._socket.send_frame(asked.frame, aiohttp.WSMsgType.TEXT)
                self._socket.flush()
                self._more = self._loop.create_future()
                await self._more
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing more can be written
            self.lose(no_response(error, left=True).reason)
        finally:
            self.lose(_STOPPED)

    async def _read(self) -> None:
        try:
            while (message := await self._socket.receive()).type in _DATA:
                self._take(message.data)
            error = self._socket.exception()
            code = self._socket.close_code
            self.lose(
                f"the connection was closed (code {code})"
                if error is None
                else no_response(error, left=True).reason
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing more can be read
            self.lose(no_response(error, left=True).reason)
        finally:
            # Somebody may have cancelled every task there is.
            self.lose(_STOPPED)

    def _take(self, frame: bytes) -> None:
        self._heard = self._loop.time()
        answer = read(frame)
        asked = None if answer is None else self._asked.pop(answer.request_id, None)
        if answer is None or asked is None or asked.answer.done():
            # It may be late, a second copy or noise. Whoever it was for waits until the time is up.
            _log.debug("a frame of %d bytes answers nobody", len(frame))
            return
        asked.answer.set_result(answer.document)

    def lose(self, reason: str) -> None:
        """Let nothing more be asked here, and end what is."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
        for asked in self._asked.values():
            # Whoever repeats it waits for another connection anyway, and need not wait twice.
            _end(asked, NoResponse(reason, not_sent=asked.left is None, stale=True))

    def _end_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._end_overdue)

    def _end_overdue(self, turns: int = _TURNS) -> None:
        """End what has had its time. One timer for all: one for each would cost as much again."""
        if self.lost.done():
            return
        if turns:
            self._timer = self._loop.call_later(0.0, self._end_overdue, turns - 1)
            return
        self._timer = None
        now = self._loop.time()
        overdue = [asked for asked in self._asked.values() if asked.ends <= now]
        for asked in overdue:
            _end(asked, NoResponse("TimeoutError: the time was up", not_sent=asked.left is None))
        silence = now - self._heard
        if silence > self._silence and any(
            asked.left and silence > (now - asked.left) / 2 for asked in overdue
        ):
            # It may be dead at the other end: what is asked again is better asked on another.
            self.lose("nothing was heard on the connection")
            return
        waiting = [asked.ends for asked in self._asked.values() if not asked.answer.done()]
        if waiting:
            self._end_at(min(waiting))


def _end(asked: _Asked, how: NoResponse) -> None:
    if not asked.answer.done():
        asked.answer.set_result(how)
