"""One WebSocket connection, the requests that wait on it, and what is lost with it."""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Callable, Sequence

import aiohttp

from fourcasters_async._core.failures import no_response
from fourcasters_async._core.log import log
from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.telemetry import Moments
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async._websocket.frames import Answer, Document
from fourcasters_async._websocket.pending import Asked, Pending

_GIVEN_UP = "the connection was given up"
_LATE = NoResponse("TimeoutError: the time was up", not_sent=True)
# Seconds that the peer has to answer a close frame.
_CLOSE_TIMEOUT = 1.0
# Turns of the loop in which the reader takes frames that came while the loop was blocked.
_CATCH_UP_TURNS = 3
_DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
_PING, _PONG = aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG
# What a peer may send that answers no request: this much, so much more a second, and so much for
# each of the last requests, whose answers may come late or twice. A frame counts as one, and as
# one more for so many bytes.
_UNASKED, _UNASKED_A_SECOND, _UNASKED_A_REQUEST, _LAST_REQUESTS = 1000, 1000, 4, 10_000
_BYTES_OF_ONE = 2**16
# Frames after which the gathered ones are written for the first time, and then after twice as many
# up to the second number: making a thousand takes longer than a packet is on its way next door.
_FIRST_WRITE, _FRAMES_A_WRITE = 25, 200
# Frames after which the loop has a turn. Answers come by then, and to read them would hold up what
# is still to be sent.
_FRAMES_A_TURN = 1000


class Connection:
    """One WebSocket on which any number of requests wait for their answers.

    `decode` turns a frame into an answer, or into `None` if it answers no request. The connection
    knows whether the frame of each request was sent, so a request that is lost with it is either
    not sent or unknown. The connection is dropped when a sent request times out and nothing was
    received for half of its time and for more than `silence` seconds: a short time limit alone
    does not prove that the peer is dead.
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
        self.token: Secret = socket.token
        """The token of the handshake."""
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        """Why the connection is gone, once it is."""
        self._heard = self._loop.time()
        # A late answer on another connection must not match a request here.
        self._prefix = secrets.token_hex(4)
        self._count = 0
        # How much may still come that answers no request, and when that was reckoned.
        self._unasked = float(_UNASKED)
        self._reckoned = self._heard
        self._pending: dict[str, Pending] = {}
        self._unwritten: deque[Pending] = deque()
        self._more: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        # When it is due, as a loop time. uvloop's own handle does not always say so.
        self._due = math.inf
        self._tasks = (
            asyncio.create_task(self._read()),
            asyncio.create_task(self._write()),
        )
        # Somebody may cancel every task there is, also before it began.
        for task in self._tasks:
            task.add_done_callback(lambda _: self.lose(_GIVEN_UP))

    async def ask(
        self,
        encode: Callable[[str], bytes],
        ends: float,
        may_leave: Callable[[float], bool],
        leave: Callable[[], Exception | None] | None = None,
        moments: Moments | None = None,
    ) -> Document | NoResponse:
        """Send the frame that `encode` makes with an id; return its answer by loop time `ends`.

        Right before the write `may_leave` is asked with the loop time, and `leave`, which returns
        why the frame may not leave, or `None`. Returns `HELD_BACK` if `may_leave` says no.
        `moments` are told when it left, and when the answer came.
        """
        if self.lost.done():
            return NoResponse(self.lost.result(), not_sent=True, stale=True)
        (request_id,) = self.new_ids(1)
        answer: asyncio.Future[Document | NoResponse] = self._loop.create_future()
        asked = Asked(request_id, ends, encode(request_id), answer, may_leave, leave)
        self.ask_all([asked])
        try:
            document = await answer
            if moments is not None and type(document) is not NoResponse:
                moments.answered = moments.read = moments.clock()
            return document
        finally:
            self._pending.pop(request_id, None)
            if moments is not None:
                moments.written, moments.left = asked.left, asked.left is not None

    def ask_all(self, asked: Sequence[Pending]) -> None:
        """Send all at once; each is told its answer, or why there is none.

        All are in flight when this returns. Their ids are from `new_ids`.
        """
        if self.lost.done():
            for pending in asked:
                pending.end(NoResponse(self.lost.result(), not_sent=True, stale=True))
            return
        self._unasked += _UNASKED_A_REQUEST * len(asked)
        for pending in asked:
            self._pending[pending.request_id] = pending
        self._unwritten.extend(asked)
        self._awake(min([pending.ends for pending in asked]))

    @property
    def in_flight(self) -> int:
        """How many requests wait for an answer."""
        return len(self._pending)

    def forget(self, pending: Pending) -> None:
        """Let an answer be nobody's."""
        self._pending.pop(pending.request_id, None)

    def new_ids(self, count: int) -> list[str]:
        """Return ids for so many requests, which no other request has."""
        first, self._count = self._count + 1, self._count + count
        return [f"{self._prefix}-{number}" for number in range(first, self._count + 1)]

    def _awake(self, ends: float) -> None:
        """Have the writer write, and a timer end by `ends` what is not answered."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        if ends < self._due:
            self._end_at(ends)

    async def close(self) -> None:
        """Close the connection. Requests that wait for an answer are lost."""
        self.lose("the connection was closed")
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
            await self._socket.end()
        finally:
            self._socket.abort()

    async def _write(self) -> None:
        try:
            while True:
                await self._write_all()
                if self._socket.is_closing:
                    await self._find_out()
                self._socket.flush()
                self._more = self._loop.create_future()
                await self._more
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing more can be written
            self.lose(no_response(error, left=True).reason)

    async def _write_all(self) -> None:
        """Gather every frame that waits, and write the first ones while others are made."""
        # A local of `_write` would keep the last burst alive, and the next one would free it first.
        gathered, write_at = 0, _FIRST_WRITE
        send, buffer, unwritten = self._socket.send_frame, self._socket.buffer, self._unwritten
        while unwritten:
            pending = unwritten.popleft()
            if pending.done:
                continue
            now = self._loop.time()
            # To make the frames before it takes time, and the loop may have been blocked.
            frame = pending.frame(now) if now < pending.ends else _LATE
            if type(frame) is NoResponse:
                self._end(pending, frame)
                continue
            pending.left, pending.writes = now, buffer.writes
            try:
                # Blocks while the peer does not read. Later frames are not sent then.
                await send(frame, aiohttp.WSMsgType.TEXT)
            except ConnectionResetError:
                await self._find_out()
            gathered += 1
            if gathered == write_at:
                buffer.flush()
                write_at += min(gathered, _FRAMES_A_WRITE)
                if gathered % _FRAMES_A_TURN == 0:
                    await asyncio.sleep(0)

    async def _find_out(self) -> None:
        """Raise because nothing can be written, once the reader has taken what came before that."""
        await asyncio.wait((self.lost,), timeout=_CLOSE_TIMEOUT)
        raise ConnectionResetError("the connection is closing")

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.receive()
                if self.lost.done():
                    return
                if message.type in _DATA:
                    self._take(message.data)
                elif message.type is _PING:
                    self._ignore(message.data)
                    await self._socket.pong(message.data)
                elif message.type is _PONG:
                    self._ignore(message.data)
                else:
                    break
            if isinstance(message.data, aiohttp.WebSocketError) and (
                message.data.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
            ):
                self._lose_to_a_large_frame()
                return
            self.lose(self._socket.reason)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing more can be read
            self.lose(no_response(error, left=True).reason)

    def _take(self, frame: bytes) -> None:
        self._heard = self._loop.time()
        answer = self._decode(frame)
        pending = None if answer is None else self._pending.get(answer.request_id)
        if (
            answer is None
            or pending is None
            or pending.done
            or pending.writes >= self._socket.buffer.writes
        ):
            # A late answer, a duplicate, noise, or an answer to what has not left and cannot have
            # been read. Its request, if any, waits until its time limit.
            log.debug("a frame of %d bytes answers no request", len(frame))
            self._ignore(frame)
            return
        del self._pending[pending.request_id]
        pending.end(answer.document)

    def _ignore(self, frame: bytes) -> None:
        """Count a frame that answers no request. A peer that floods the connection loses it."""
        now = self._loop.time()
        most = _UNASKED + _UNASKED_A_REQUEST * min(self._count, _LAST_REQUESTS)
        earned = (now - self._reckoned) * _UNASKED_A_SECOND
        self._unasked = min(self._unasked + earned, most) - 1 - len(frame) // _BYTES_OF_ONE
        self._reckoned = now
        if self._unasked < 0:
            self.lose("the peer floods the connection with what nobody asked for")

    def _lose_to_a_large_frame(self) -> None:
        """Lose the connection to a frame above the limit, which may answer any of its requests.

        The only request in flight would get the same answer again. Of several, all may be repeated.
        """
        reason = "a frame of the peer is larger than the limit"
        sent = [each for each in self._pending.values() if each.left is not None]
        if len(sent) == 1:
            reason = f"{reason}: it is given up, and not asked for again"
            self._end(sent[0], NoResponse(reason, not_sent=False, too_large=True))
        self.lose(reason)

    def lose(self, reason: str) -> None:
        """Accept no more requests, and end those that wait for an answer."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
        writes = self._socket.buffer.writes
        for pending in list(self._pending.values()):
            not_sent = pending.writes >= writes
            # `stale`: a retry waits for the next connection, and needs no pause before that.
            self._end(pending, NoResponse(reason, not_sent=not_sent, stale=True))
        # What is said not to be sent must not leave with a close frame.
        self._socket.discard()

    def _end_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = self._loop.call_at(when, self._end_overdue), when

    def _end_overdue(self, turns: int = _CATCH_UP_TURNS) -> None:
        """End requests whose time is up. One timer serves all: one for each would cost double."""
        if self.lost.done():
            return
        if turns:
            self._timer = self._loop.call_later(0.0, self._end_overdue, turns - 1)
            return
        self._timer, self._due = None, math.inf
        now = self._loop.time()
        overdue = [pending for pending in self._pending.values() if pending.ends <= now]
        for pending in overdue:
            self._end(
                pending, NoResponse("TimeoutError: the time was up", not_sent=pending.left is None)
            )
        silence = now - self._heard
        if silence > self._silence and any(
            pending.left and silence > (now - pending.left) / 2 for pending in overdue
        ):
            # The peer may be dead: a retry has a better chance on another connection.
            self.lose("nothing was heard on the connection")
            return
        waiting = [pending.ends for pending in self._pending.values() if not pending.done]
        if waiting:
            self._end_at(min(waiting))

    def _end(self, pending: Pending, how: NoResponse) -> None:
        self._pending.pop(pending.request_id, None)
        pending.end(how)
