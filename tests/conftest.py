"""The options of a run, and the fixtures that test modules share."""

import asyncio
import json
import runpy
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest
from aioresponses import aioresponses as Mocked  # noqa: N812  # it is a class
from attrs import evolve
from click.testing import CliRunner
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("kill_model", "spec", "support")

import support  # noqa: E402  # as above
from pages import GAME, OTHER  # noqa: E402  # as above
from support import (  # noqa: E402  # as above
    REST,
    SOCKET,
    JumpingLoop,
    LoopFactory,
    Ran,
    Run,
    Transport,
    environment,
    leave_the_shell,
    loop_factory,
    one_clock,
)

from fourcasters_async import AsyncSession  # noqa: E402  # as above
from fourcasters_async.cli.commands import main  # noqa: E402  # as above
from fourcasters_async.orders.verbs import Orders  # noqa: E402  # as above
from fourcasters_async.testing import FakeExchange  # noqa: E402  # as above

_KEPT = TemporaryDirectory(prefix="fourcasters-tests-")
leave_the_shell(Path(_KEPT.name))

# How fast the machine is decides nothing.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fewer", settings.get_profile("tests"), max_examples=30)
settings.load_profile("tests")

_SPEC = Path(__file__).parents[2] / "shared" / "exchange" / "rest-openapi.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fourcasters_async")
    group.addoption(
        "--loop",
        choices=["jumping", "asyncio", "uvloop"],
        default="jumping",
        help="the event loop of the tests; the clock of a jumping one waits for nothing",
    )
    group.addoption(
        "--eager", action="store_true", help="start tasks eagerly; needs Python 3.12 or later"
    )


def pytest_configure(config: pytest.Config) -> None:
    # What was started with nohup or in the background ignores them, and so would the programs that
    # tests start.
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--eager") and sys.version_info < (3, 12):
        raise pytest.UsageError("--eager needs Python 3.12 or later")
    if config.getoption("--loop") != "jumping":
        support.SECOND = 0.2
        support.QUICK = evolve(support.QUICK, attempt_timeout=5 * support.SECOND)


def pytest_unconfigure(config: pytest.Config) -> None:
    _KEPT.cleanup()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    loop: str = config.getoption("--loop")
    if loop == "jumping" and item.get_closest_marker("real_time"):
        loop = "asyncio"
    return {loop: loop_factory(loop, eager=config.getoption("--eager"))}


def pytest_runtest_setup(item: pytest.Item) -> None:
    loop = item.config.getoption("--loop")
    if loop != "jumping" and item.get_closest_marker("virtual_time"):
        pytest.skip(f"the clock of {loop} does not jump")


@pytest.fixture(autouse=True)
async def _one_clock() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    with one_clock(loop) if isinstance(loop, JumpingLoop) else nullcontext():
        yield


class _Response(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not pass the writer that aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


aioresponses.core.ClientResponse = _Response  # type: ignore[attr-defined]  # imported there by name


@pytest.fixture
def mocked() -> Iterator[Mocked]:
    with Mocked() as mock:
        yield mock


@pytest.fixture
async def session(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        streaming_url=fake_exchange.streaming_url,
        retry=support.QUICK,
    ) as session:
        yield session


@pytest.fixture
def run(fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give what runs a command on the sandbox."""
    # A command has an event loop of its own, whose clock does not jump.
    in_two_seconds = partial(AsyncSession.from_env, timeout=2.0)
    monkeypatch.setattr(AsyncSession, "from_env", in_two_seconds)

    async def run(*words: str, stdin: str = "", charset: str = "utf-8", **variables: str) -> Ran:
        result = await asyncio.to_thread(
            CliRunner(charset=charset).invoke,
            main,
            words,
            input=stdin,
            env=environment(fake_exchange) | variables,
        )
        if result.exc_info is not None and result.exc_info[0] is not SystemExit:
            raise result.exc_info[1]
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def example(fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Give what runs a program of a page in a thread, with a loop of its own, on the sandbox.

    The sandbox has two games, with an open order of each type on both.
    """
    monkeypatch.setenv("FOURCASTERS_TOKEN", fake_exchange.token)
    monkeypatch.setenv("FOURCASTERS_BASE_URL", fake_exchange.url)
    monkeypatch.setenv("FOURCASTERS_ORDERS_URL", fake_exchange.orders_url)
    monkeypatch.setenv("FOURCASTERS_STREAMING_URL", fake_exchange.streaming_url)
    for game in (GAME, OTHER):
        fake_exchange.book.add_game(game)
        for type_ in ("moneyline", "spread", "total"):
            fake_exchange.book.place(fake_exchange.account, game, type=type_)

    async def run(block: str, name: str = "__main__") -> dict[str, Any]:
        path = tmp_path / "example.py"
        path.write_text(block)
        return await asyncio.to_thread(runpy.run_path, str(path), run_name=name)

    return run


@pytest.fixture(params=[REST, SOCKET], ids=str)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest.fixture
async def orders(session: AsyncSession, transport: Transport) -> AsyncIterator[Orders]:
    """Give the order verbs, over each transport in turn."""
    async with transport.open(session) as orders:
        yield orders


@pytest.fixture
async def canary() -> AsyncIterator[FakeExchange]:
    async with FakeExchange() as exchange:
        exchange.token = support.CANARY
        exchange.book.tokens[support.CANARY] = exchange.account
        yield exchange


@pytest.fixture(autouse=True)
async def _nothing_left_running() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}


@pytest.fixture(scope="session")
def spec() -> dict[str, Any]:
    if not _SPEC.exists():
        pytest.skip("the exchange's own documents are not beside this checkout")
    document: dict[str, Any] = json.loads(_SPEC.read_text())
    return document
