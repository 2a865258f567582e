"""News: wakes whoever waits for anything new."""

import asyncio
from collections.abc import Callable


class News:
    """Wakes those who wait for anything new, once for all of it in a turn of the loop.

    A burst brings many messages in one turn. `look` is called before they are woken.
    """

    def __init__(self, look: Callable[[], None] = lambda: None) -> None:
        self._look = look
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._untold = False

    async def wait(self, until: float, matters: Callable[[], bool] = lambda: True) -> bool:
        """Wait for news that matters; return `False` if the loop time `until` came first."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = matters
        try:
            async with asyncio.timeout_at(until):
                await waiting
        except TimeoutError:
            return False
        finally:
            del self._waiting[waiting]
        return True

    def tell(self) -> None:
        """Wake those who wait, in the next turn of the loop."""
        if not self._untold:
            self._untold = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._untold = False
        self._look()
        for waiting, matters in self._waiting.items():
            if not waiting.done() and matters():
                waiting.set_result(None)
