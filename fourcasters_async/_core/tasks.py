"""What asyncio does not say in one word of its own."""

import asyncio


def is_cancelled() -> bool:
    """Whether somebody asked the running task to stop.

    A `CancelledError` also comes of awaiting a future that was cancelled for itself.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
