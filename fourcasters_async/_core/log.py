"""The logger of the library, which nothing that listens to it can break."""

import logging
import sys
import traceback
from contextlib import suppress
from typing import Any


class _Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose calls do not raise.

    `logging` passes on what a filter or a handler raises. A handler that tells somebody over the
    network fails when the network does, and then there is most to do: a kill has to go on, and so
    have the beats of a dead-man switch.
    """

    def log(self, level: int, msg: object, *args: object, **named: Any) -> None:
        """Log a message. What a filter or a handler raises is shown as `logging` shows failures."""
        try:
            # The first frame outside `logging` is this one, the second is the caller's.
            self.logger.log(level, msg, *args, stacklevel=2, **named)
        except Exception:  # noqa: BLE001  # it is the caller's code
            if logging.raiseExceptions and sys.stderr is not None:
                with suppress(Exception):
                    # What was being handled may quote a secret, and is not shown.
                    traceback.print_exc(chain=False)


log = _Log(logging.getLogger("fourcasters_async"))
