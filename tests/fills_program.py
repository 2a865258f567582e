"""A bot that records its fills durably and can be killed at any moment: FEED TOKEN FOLDER."""

import asyncio
import os
import sys
from pathlib import Path

from fourcasters_async import AsyncSession, CursorFile, Gap, OrderFilled


async def main(streaming_url: str, token: str, folder: Path) -> None:
    cursor = CursorFile(folder / "cursor")
    async with (
        AsyncSession(token, streaming_url=streaming_url) as session,
        session.user_feed(cursor=cursor) as feed,
    ):
        async for event in feed:
            if isinstance(event, OrderFilled):
                record(folder / f"fill-{event.fill.tx_id}", folder)
            elif isinstance(event, Gap):
                (folder / "gap").write_text(event.reason)


def record(file: Path, folder: Path) -> None:
    """Record a fill, unless an earlier process has: its id is the key."""
    me = str(os.getpid())
    try:
        with file.open("x") as record:
            record.write(me)
    except FileExistsError:
        if file.read_text() == me:
            (folder / "twice").write_text(file.name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
