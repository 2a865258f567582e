"""Threads that do not keep a command from its end."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_time(job: Coroutine[Any, Any, T]) -> T:
    """Await a job whose loop does not wait for its threads at the end.

    A name is looked up in a thread that nothing can end. Where no name server answers, that takes
    half a minute, whatever the deadline of the command is.
    """
    asyncio.get_running_loop().set_default_executor(_Daemons())
    return await job


class _Daemons(ThreadPoolExecutor):
    """A thread for each call, which ends with the program."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call a function in a thread of its own."""
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # whoever waits for it gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        Thread(target=call, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # it is called like this
        """Wait for nothing."""
