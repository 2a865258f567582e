"""CursorFile: where a program goes on with the user feed after it was killed."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.feeds.messages import check_cursor

# Bytes of the longest cursor, and more.
_LIMIT = 256


class CursorFile:
    """A file that holds a cursor of the user feed, and survives `kill -9` and a loss of power.

    `session.user_feed(cursor=CursorFile(path))` begins after the cursor in the file, and keeps it
    there. The file trails the events: it never names one that was not handled. So a program that
    was killed gets its last events again. To have each fill once, store it under its `tx_id` and
    pass over one that is stored. Use a file for one account and one program at a time.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _checked(path)
        """The file. It need not exist yet, but its directory has to."""

    def read(self) -> str | None:
        """Return the cursor, `None` without a file. Raises `InvalidRequestError` for another file.

        A file that cannot be read raises `OSError`.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(_LIMIT)
        except FileNotFoundError:
            return None
        return check_cursor(content.decode("latin-1").strip(), f"path: {self.path}")

    def write(self, cursor: str) -> None:
        """Put a cursor into the file, in place of what it holds. Raises `OSError` if it cannot.

        The new file is on the disk, as a whole, before it takes the place of the old one.
        """
        content = check_cursor(cursor).encode()
        folder = self.path.parent
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            Path(name).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        if os.name == "posix":
            directory = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def _checked(path: object) -> Path:
    """Return the path of a file, or refuse what is none."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise InvalidRequestError("path: must be the path of a file")
    return Path(path)
