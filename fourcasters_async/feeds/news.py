"""News: wakes whoever waits for anything new."""

import asyncio
from collections.abc import Callable


class News:
    """Wakes all who wait whenever there is anything new, once for all of it in a turn of the loop.

    A burst brings hundreds of messages in one turn. `look` is called before they are woken.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._waiting: set[asyncio.Future[None]] = set()
        self._untold = False

    async def wait(self, until: float) -> bool:
        """Wait for anything new; return `False` if the loop time `until` came first."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout_at(until):
                await waiting
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiting)
        return True

    def tell(self) -> None:
        """Wake those who wait, in the next turn of the loop."""
        if not self._untold:
            self._untold = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._untold = False
        self._look()
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
