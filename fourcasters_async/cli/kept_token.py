"""The token that `fourcasters login` keeps: a file of its own for each exchange."""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Self

import orjson
import platformdirs
from attrs import frozen

from fourcasters_async._core.secret import Secret

_OWNER_ALONE = 0o700


@frozen
class KeptToken:
    """A token in a file. `replaced` is a digest of the token that the exchange replaced by it."""

    token: Secret
    replaced: str | None = None

    def replaces(self, token: str) -> bool:
        """Whether the exchange gave it for another token."""
        return self.replaced == _digest(token)


@frozen
class TokenFile:
    """Where the token for one exchange is kept, readable by its owner alone."""

    exchange: str
    path: Path

    @classmethod
    def of(cls, exchange: str) -> Self:
        """Return the file for the exchange at a REST address, under the user's state folder."""
        name = re.sub(r"[^\w.-]+", "_", exchange.partition("://")[2])
        return cls(exchange, platformdirs.user_state_path("fourcasters") / f"{name}.json")

    def read(self) -> KeptToken | None:
        """Return what is kept, `None` if it is nothing, or nothing for this exchange."""
        try:
            content = orjson.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return None
        match content:
            case {"exchange": self.exchange, "token": str(token), **others} if token:
                replaced = others.get("replaced")
                return KeptToken(Secret(token), replaced if isinstance(replaced, str) else None)
        return None

    def keep(self, token: str, *, replaced: str | None = None) -> None:
        """Keep a token, and a digest of the one that it replaces. A reader sees all of it or none.

        Raises `OSError` if it cannot be written.
        """
        self.path.parent.mkdir(mode=_OWNER_ALONE, parents=True, exist_ok=True)
        content = {
            "exchange": self.exchange,
            "token": str.__str__(token),
            "replaced": None if replaced is None else _digest(replaced),
        }
        # Made for the owner alone from the start.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
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


def _digest(token: str) -> str:
    return hashlib.sha256(str.__str__(token).encode()).hexdigest()
