"""The Orders WebSocket and the feeds have to be of the exchange that REST is of."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from fourcasters_async import AsyncSession, InvalidRequestError

Open = Callable[[AsyncSession], AbstractAsyncContextManager[object]]

_SANDBOX = "http://127.0.0.1:9"

_WAYS: dict[str, tuple[str, Open]] = {
    "the socket": ("orders_url", lambda session: session.orders_socket()),
    "the socket, without a wait": ("orders_url", lambda session: session.orders_socket(wait=False)),
    "the user feed": ("streaming_url", lambda session: session.user_feed()),
    "the price feed": ("streaming_url", lambda session: session.price_feed()),
    "live orders": ("streaming_url", lambda session: session.live_orders()),
}


@pytest.mark.parametrize("way", _WAYS)
async def test_none_of_the_real_exchange_is_opened_beside_another_base_url(way: str) -> None:
    name, open_it = _WAYS[way]
    async with AsyncSession("token", base_url=_SANDBOX) as session:
        with pytest.raises(InvalidRequestError, match=f"{name}: not set, though base_url is"):
            async with open_it(session):
                pass


async def test_the_environment_names_none_of_the_real_exchange_beside_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOURCASTERS_TOKEN", "token")
    monkeypatch.setenv("FOURCASTERS_BASE_URL", _SANDBOX)
    monkeypatch.delenv("FOURCASTERS_ORDERS_URL", raising=False)
    async with AsyncSession.from_env() as session:
        with pytest.raises(InvalidRequestError, match="orders_url: not set"):
            async with session.orders_socket():
                pass


async def test_a_failed_opening_of_a_feed_leaves_the_session_usable() -> None:
    async with AsyncSession("token", base_url=_SANDBOX) as session:
        for _ in range(2):
            with pytest.raises(InvalidRequestError, match="streaming_url: not set"):
                async with session.live_orders():
                    pass
