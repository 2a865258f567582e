"""What a feed hands to several consumers, each at its own pace."""

from collections.abc import AsyncIterator
from typing import Generic, Self, TypeVar
from weakref import WeakSet

from fourcasters_async.errors import FourcastersError
from fourcasters_async.feeds.lagging import LaggingQueue
from fourcasters_async.models import Lagged

T = TypeVar("T")

_KEEP = 10_000


class Stream(AsyncIterator[T | Lagged], Generic[T]):
    """What comes from the moment on at which this was made, for one consumer.

    The newest ten thousand wait for a slow consumer. One `Lagged` stands for those before them.
    """

    def __init__(self) -> None:
        self._queue: LaggingQueue[T] = LaggingQueue(_KEEP)

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> T | Lagged:
        """Return the next one. Raises why there is none any more."""
        return await self._queue.get()

    def put(self, item: T) -> None:
        """Add one."""
        self._queue.put(item)

    def end(self, error: FourcastersError) -> None:
        """Let nothing more come, for a reason."""
        self._queue.end(error)


class Streams(Generic[T]):
    """The streams of all consumers. One that is dropped costs nothing more."""

    def __init__(self) -> None:
        self._streams: WeakSet[Stream[T]] = WeakSet()
        self._error: FourcastersError | None = None

    def open(self) -> Stream[T]:
        """Return a stream of what comes from now on."""
        stream: Stream[T] = Stream()
        self._streams.add(stream)
        if self._error is not None:
            stream.end(self._error)
        return stream

    def put(self, item: T) -> None:
        """Hand an item to every consumer."""
        if not self._streams:
            # To iterate over none takes longer than to ask.
            return
        for stream in self._streams:
            stream.put(item)

    def end(self, error: FourcastersError) -> None:
        """Let nothing more come, for a reason."""
        self._error = error
        for stream in self._streams:
            stream.end(error)
