"""Looks names up in threads of its own."""

import asyncio
import concurrent.futures
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

# A lookup can take many seconds, so one must not hold up the other.
_THREADS = 4
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def make_resolver() -> AbstractResolver | None:
    """Return a resolver, `None` where aiohttp's own uses no threads: that is where aiodns is."""
    return Resolver() if aiohttp.DefaultResolver is aiohttp.ThreadedResolver else None


class Resolver(AbstractResolver):
    """Looks names up as aiohttp does, but not in the threads of the event loop.

    A program can keep those busy with work of its own (`asyncio.to_thread`), and a kill that needs
    a new connection would wait for it. The threads end with the resolver.
    """

    def __init__(self) -> None:
        # Made with the first name: to import it takes milliseconds.
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises `OSError` if it has none."""
        self._threads = self._threads or concurrent.futures.ThreadPoolExecutor(
            _THREADS, thread_name_prefix="fourcasters_async-names"
        )
        look_up = partial(
            socket.getaddrinfo,
            host,
            port,
            type=socket.SOCK_STREAM,
            family=family,
            flags=socket.AI_ADDRCONFIG,
        )
        found: Sequence[Any] = await asyncio.get_running_loop().run_in_executor(
            self._threads, look_up
        )
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=_NUMERIC,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let the threads end."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
