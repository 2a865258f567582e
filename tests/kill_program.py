"""A bot whose package is gone from the disk once it runs: it stops, and says what it had to load.

    [HOOK=1] python tests/kill_program.py URL ORDERS_URL TOKEN USERNAME PASSWORD GAME…

It makes a session, with `HOOK` one that tells what happens. From then on nothing of the package or
of what it depends on can be imported. Then it stops its trading in each way. It prints as JSON what
it tried to import, and what code was compiled, from then on.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

from fourcasters_async import AsyncSession, FourcastersError, OrdersSocket, RetryPolicy

GONE = {
    *("fourcasters_async", "aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "attrs", "cattr"),
    *("cattrs", "frozenlist", "multidict", "orjson", "propcache", "yarl"),
}
SECONDS = 0.5


class Gone:
    """Finds no module of the package, and keeps the names of those that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name.partition(".")[0] in GONE:
            self.asked.append(name)
            raise ModuleNotFoundError(f"{name} is gone")
        return None


async def stop(session: AsyncSession, games: Sequence[str]) -> None:
    """Stop in each way over REST."""
    report = await session.cancel_all_orders_for_games(games, deadline=SECONDS, verify=True)
    try:
        report.raise_for_unsettled()
    except ExceptionGroup as error:
        str(error)
    str(await session.halt(games, deadline=SECONDS))
    str(await session.halt(deadline=SECONDS))
    str(await session.flatten(deadline=SECONDS))
    session.resume()
    for verb in (
        session.cancel_all_orders_for_game(games[0], deadline=SECONDS),
        session.cancel_all_orders(deadline=SECONDS),
        session.cancel("f" * 24, deadline=SECONDS),
        session.cancel_multiple(["f" * 24], deadline=SECONDS),
    ):
        try:
            await verb
        except FourcastersError as error:
            str(error)


async def stop_over_the_socket(orders: OrdersSocket, games: Sequence[str]) -> None:
    """Stop in each way that the Orders WebSocket has."""
    for hedge in (None, 0.2):
        report = await orders.cancel_all_orders_for_games(
            games, deadline=SECONDS, verify=True, hedge=hedge
        )
        try:
            report.raise_for_unsettled()
        except ExceptionGroup as error:
            str(error)
    for verb in (
        orders.cancel_all_orders_for_game(games[0], deadline=SECONDS),
        orders.cancel_all_orders(deadline=SECONDS),
        orders.cancel("f" * 24, deadline=SECONDS),
    ):
        try:
            await verb
        except FourcastersError as error:
            str(error)


async def main() -> None:
    url, orders_url, token, username, password, *games = sys.argv[1:]
    session = AsyncSession(
        token,
        username=username or None,
        password=password or None,
        base_url=url,
        orders_url=orders_url,
        timeout=SECONDS,
        retry=RetryPolicy(attempt_timeout=0.2, backoff_cap=0.1),
        on_event=repr if "HOOK" in os.environ else None,
    )
    gone = Gone()
    compiled: list[str] = []

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == "compile":
            compiled.append(str(arguments[1]))

    sys.meta_path.insert(0, gone)
    sys.addaudithook(hear)
    async with session:
        try:
            async with session.orders_socket() as orders:
                await stop_over_the_socket(orders, games)
        except FourcastersError as error:
            str(error)
        await stop(session, games)
        async with session.flat_on_exit(deadline=SECONDS) as end:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
    json.dump({"imported": gone.asked, "compiled": compiled, "report": str(end.report)}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
