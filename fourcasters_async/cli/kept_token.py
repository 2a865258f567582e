"""The tokens that the command line keeps: a file for each login and each replaced token."""

import hashlib
import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import orjson
import platformdirs
from attrs import frozen

from fourcasters_async._core.secret import Secret

_OWNER_ALONE, _OTHERS = 0o700, 0o077
# Characters of the digest that names the file of a token that was replaced.
_DIGEST = 32


@frozen
class TokenFile:
    """Where a token for one exchange is kept, readable by its owner alone."""

    exchange: str
    path: Path

    @classmethod
    def of(cls, exchange: str, *, replaced: str | None = None) -> Self:
        """Return the file for the exchange at a REST address, under the user's state folder.

        With `replaced` it is for what the exchange gave in place of that token. Such a file is
        found by the token that it replaces, so it costs no other token its file.
        """
        name = re.sub(r"[^\w.-]+", "_", exchange.partition("://")[2])
        if replaced is not None:
            name += "." + hashlib.sha256(str.__str__(replaced).encode()).hexdigest()[:_DIGEST]
        return cls(exchange, _folder() / f"{name}.json")

    def read(self) -> Secret | None:
        """Return the token, `None` if nothing is kept, or nothing for this exchange."""
        if not self.path.is_absolute():
            return None
        try:
            content = orjson.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return None
        match content:
            case {"exchange": self.exchange, "token": str(token)} if token:
                return Secret(token)
        return None

    def kept_at(self) -> datetime | None:
        """Return when the token was written, `None` if nothing is there."""
        try:
            return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except OSError:
            return None

    def is_open_to_others(self) -> bool:
        """Whether somebody else than the owner may read or change it, where that can be told."""
        try:
            return os.name == "posix" and bool(self.path.stat().st_mode & _OTHERS)
        except OSError:
            return False

    def keep(self, token: str) -> None:
        """Keep a token. A reader sees all of it or none.

        Raises `OSError` if it cannot be written.
        """
        if not self.path.is_absolute():
            # It would be another file in each folder where a command is run, and open to whoever
            # reads that.
            raise OSError("no home directory is known; set HOME or XDG_STATE_HOME")
        folder = self.path.parent
        folder.mkdir(mode=_OWNER_ALONE, parents=True, exist_ok=True)
        # It may have been there before, for others to read.
        folder.chmod(_OWNER_ALONE)
        content = {"exchange": self.exchange, "token": str.__str__(token)}
        # Made for the owner alone from the start.
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(orjson.dumps(content))
                file.flush()
                os.fsync(handle)
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink()
            raise

    def remove(self) -> None:
        """Keep nothing any more."""
        self.path.unlink(missing_ok=True)


def _folder() -> Path:
    """Return the user's state folder. It is not absolute where no home directory is known.

    That is so for a user whom the machine does not know, such as in a container.
    """
    try:
        return platformdirs.user_state_path("fourcasters")
    except RuntimeError:
        return Path("fourcasters")
