"""CursorFile: where a program goes on with the user feed after it was killed."""

import os
from pathlib import Path
from threading import Lock

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
        self.path: Path = _checked(path)
        """The file. It need not exist yet, but its directory has to."""
        # A write that was given up may still run in its thread.
        self._writing = Lock()

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
        # Always the same one, so that none is left over by programs that were killed.
        new = self.path.with_name(f".{self.path.name}.new")
        with self._writing:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            new.replace(self.path)
            self._sync_folder()

    def _sync_folder(self) -> None:
        """Let the new name of the file survive a loss of power, where that can be asked for."""
        if os.name == "posix":
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def _checked(path: object) -> Path:
    """Return the path of a file, or refuse what is none."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise InvalidRequestError("path: must be the path of a file")
    return Path(path)
