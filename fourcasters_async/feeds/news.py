"""News: wakes whoever waits for anything new."""

import asyncio


class News:
    """Wakes all who wait whenever there is anything new."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

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
        """Wake those who wait."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
