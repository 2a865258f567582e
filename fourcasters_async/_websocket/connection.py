"""One connection that carries requests and their answers, and what is lost with it."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

import aiohttp
from attrs import define

from fourcasters_async._core.failures import no_response
from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async._websocket.frames import Answer

_log = logging.getLogger("fourcasters_async")

Document = Mapping[str, object]

_GIVEN_UP = "the connection was given up"
# Seconds that the other end has to answer a close frame.
_CLOSE_TIMEOUT = 1.0
# Turns of the loop in which the reader takes what came while the loop was blocked.
_CATCH_UP_TURNS = 3
_DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


@define(eq=False)
class _Pending:
    """A request on its way. `left` is when its frame was handed on to be written."""

    frame: bytes
    answer: "asyncio.Future[Document | NoResponse]"
    ends: float
    left: float | None = None


class Connection:
    """One WebSocket, on which any number of requests wait for their answers.

    `decode` reads a frame: what it answers, or `None`. The connection knows of each request
    whether its frame left, so that what is lost with it is either not sent or unknown. It is given
    up when a request ends unanswered and nothing was heard for long. `silence` is the seconds that
    are too short to say so: a caller in a hurry does not prove that the other end is dead.
    """

    def __init__(
        self,
        socket: BufferedWebSocket,
        decode: Callable[[bytes], Answer | None],
        *,
        silence: float,
    ) -> None:
        self._decode = decode
        self._silence = silence
        self.token = socket.token
        """The token of the handshake."""
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        """Why the connection is gone, once it is."""
        self._heard = self._loop.time()
        # An answer that comes late, on another connection, must not find a namesake.
        self._prefix = secrets.token_hex(4)
        self._count = 0
        self._pending: dict[str, _Pending] = {}
        self._unwritten: deque[_Pending] = deque()
        self._more: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = (
            asyncio.create_task(self._read()),
            asyncio.create_task(self._write()),
        )
        # Somebody may cancel every task there is, also before it began.
        for task in self._tasks:
            task.add_done_callback(lambda _: self.lose(_GIVEN_UP))

    async def ask(self, encode: Callable[[str], bytes], ends: float) -> Document | NoResponse:
        """Send what `encode` makes with an id, and return the answer, by the loop time `ends`."""
        if self.lost.done():
            return NoResponse(self.lost.result(), not_sent=True, stale=True)
        self._count += 1
        request_id = f"{self._prefix}-{self._count}"
        answer: asyncio.Future[Document | NoResponse] = self._loop.create_future()
        pending = self._pending[request_id] = _Pending(encode(request_id), answer, ends)
        self._unwritten.append(pending)
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        if self._timer is None or ends < self._timer.when():
            self._end_at(ends)
        try:
            return await answer
        finally:
            self._pending.pop(request_id, None)

    async def close(self) -> None:
        """Close it. What waits for an answer is lost."""
        self.lose("the connection was closed")
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
            # It waits until the other end reads.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await self._socket.close()
        finally:
            self._socket.abort()

    async def _write(self) -> None:
        try:
            while True:
                while self._unwritten:
                    pending = self._unwritten.popleft()
                    if pending.answer.done():
                        continue
                    pending.left = self._loop.time()
                    # Waits where the other end does not read; what is behind has not left then.
                    await self._socket.send_frame(pending.frame, aiohttp.WSMsgType.TEXT)
                self._socket.flush()
                self._more = self._loop.create_future()
                await self._more
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing more can be written
            self.lose(no_response(error, left=True).reason)

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

    def _take(self, frame: bytes) -> None:
        self._heard = self._loop.time()
        answer = self._decode(frame)
        pending = None if answer is None else self._pending.pop(answer.request_id, None)
        if answer is None or pending is None or pending.answer.done():
            # It may be late, a second copy or noise. Whoever it was for waits until the time is up.
            _log.debug("a frame of %d bytes answers nobody", len(frame))
            return
        pending.answer.set_result(answer.document)

    def lose(self, reason: str) -> None:
        """Let nothing more be asked here, and end what waits for an answer."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
        for pending in self._pending.values():
            # Whoever repeats it waits for another connection anyway, and need not wait twice.
            _end(pending, NoResponse(reason, not_sent=pending.left is None, stale=True))

    def _end_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._end_overdue)

    def _end_overdue(self, turns: int = _CATCH_UP_TURNS) -> None:
        """End what has had its time. One timer for all: one for each would cost as much again."""
        if self.lost.done():
            return
        if turns:
            self._timer = self._loop.call_later(0.0, self._end_overdue, turns - 1)
            return
        self._timer = None
        now = self._loop.time()
        overdue = [pending for pending in self._pending.values() if pending.ends <= now]
        for pending in overdue:
            _end(
                pending, NoResponse("TimeoutError: the time was up", not_sent=pending.left is None)
            )
        silence = now - self._heard
        if silence > self._silence and any(
            pending.left and silence > (now - pending.left) / 2 for pending in overdue
        ):
            # It may be dead at the other end: what is asked again is better asked on another.
            self.lose("nothing was heard on the connection")
            return
        waiting = [pending.ends for pending in self._pending.values() if not pending.answer.done()]
        if waiting:
            self._end_at(min(waiting))


def _end(pending: _Pending, how: NoResponse) -> None:
    if not pending.answer.done():
        pending.answer.set_result(how)
