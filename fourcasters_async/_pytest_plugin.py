"""The pytest plugin: the fixtures `fake_exchange` and `fake_session`, and `--fourcasters-seed`.

pytest loads it in every project whose environment has the library. So nothing else of the library
is imported, nor any other plugin, until a test uses a fixture.
"""

from collections.abc import AsyncIterator, Callable
from inspect import iscoroutinefunction
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from fourcasters_async.session import AsyncSession
    from fourcasters_async.testing import FakeExchange

# pytest-asyncio as its entry point names it, and as `-p` does.
_PYTEST_ASYNCIO = ("asyncio", "pytest_asyncio.plugin")
# The first version that sets up fixtures of which it learns in the test.
_OLDEST = (1, 1)
_LOOP_SCOPES = ("function", "class", "module", "package", "session")
_SEED = "fourcasters_seed"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("fourcasters", "fourcasters_async").addoption(
        "--fourcasters-seed",
        dest=_SEED,
        metavar="SEED",
        type=seed,
        help="the seed of every `fake_exchange`: a whole number, or `random`; 0 by default",
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say the seed, if one was asked for."""
    given = _given_seed(config)
    return None if given is None else f"fourcasters: --fourcasters-seed={given}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a process of pytest-xdist the seed of the whole run, which may have been drawn."""
    node.workerinput[_SEED] = _given_seed(node.config)


@pytest.fixture
def fake_exchange(request: pytest.FixtureRequest) -> "FakeExchange":
    """Serve a `FakeExchange` for the length of a test, in the event loop of the test."""
    given = _given_seed(request.config)
    if given is not None:
        request.node.add_report_section("setup", "fourcasters", f"--fourcasters-seed={given}\n")
    exchange: FakeExchange = _on_the_loop_of_the_test(request, "exchange")
    return exchange


@pytest.fixture
def fake_session(request: pytest.FixtureRequest, fake_exchange: "FakeExchange") -> "AsyncSession":  # noqa: ARG001  # it is closed before the exchange
    """Open an `AsyncSession` on `fake_exchange`, with the default settings of a session."""
    session: AsyncSession = _on_the_loop_of_the_test(request, "session")
    return session


def seed(text: str) -> int:
    """Return a seed that is written as a number, or draw one for `random`."""
    if text == "random":
        import secrets  # noqa: PLC0415  # see above

        return secrets.randbelow(2**32)
    if (value := int(text)) < 0:
        raise ValueError
    return value


def _given_seed(config: pytest.Config) -> int | None:
    of_the_run: dict[str, Any] = getattr(config, "workerinput", {})
    given: int | None = of_the_run.get(_SEED, config.getoption(_SEED))
    return given


def _on_the_loop_of_the_test(request: pytest.FixtureRequest, what: str) -> Any:
    """Have the plugin that runs the test set up a fixture.

    The exchange has to be served in the loop of the test. Which plugin makes that loop is not
    known before, and each of them wants fixtures of its own kind.
    """
    on_anyio = "anyio_backend" in request.fixturenames
    if any(request.config.pluginmanager.hasplugin(name) for name in _PYTEST_ASYNCIO):
        import pytest_asyncio  # noqa: PLC0415  # not every project has it

        is_taken = pytest_asyncio.is_async_test(request.node)
        if on_anyio and is_taken:
            _refuse(
                "both anyio and pytest-asyncio run this test, each in a loop of its own: beside "
                'anyio, set `asyncio_mode = "strict"`'
            )
        if not on_anyio:
            if iscoroutinefunction(request.function) and not is_taken:
                _refuse(
                    "nothing runs this coroutine: mark the test with pytest.mark.asyncio, or set "
                    '`asyncio_mode = "auto"`'
                )
            if tuple(map(int, pytest_asyncio.__version__.split(".")[:2])) < _OLDEST:
                _refuse("fake_exchange needs pytest-asyncio 1.1 or later")
            _register_for_pytest_asyncio(request.config.pluginmanager, pytest_asyncio.fixture)
            return request.getfixturevalue(f"_fake_{what}_in_the_{_loop_scope(request)}_loop")
    if not on_anyio:
        _refuse(
            "fake_exchange needs an event loop: install pytest-asyncio, or mark the test with "
            "pytest.mark.anyio"
        )
    backend = request.getfixturevalue("anyio_backend_name")
    if backend != "asyncio":
        pytest.skip(f"fourcasters_async runs on asyncio, not on {backend}")
    return request.getfixturevalue(f"_fake_{what}_on_anyio")


def _refuse(why: str) -> NoReturn:
    pytest.fail(why, pytrace=False)


def _loop_scope(request: pytest.FixtureRequest) -> str:
    """Return the scope of the loop that pytest-asyncio runs a test in."""
    marker = request.node.get_closest_marker("asyncio")
    given = {} if marker is None else marker.kwargs
    default = request.config.getini("asyncio_default_test_loop_scope")
    return str(given.get("loop_scope") or given.get("scope") or default)


def _register_for_pytest_asyncio(
    manager: pytest.PytestPluginManager, decorate: Callable[..., Any]
) -> None:
    """Make the fixtures known that pytest-asyncio sets up, unless they are."""
    name = f"{__name__}.for_pytest_asyncio"
    if manager.hasplugin(name):
        return
    plugin = ModuleType(name)
    for scope in _LOOP_SCOPES:
        for what, function in _functions().items():
            fixture = f"_fake_{what}_in_the_{scope}_loop"
            setattr(plugin, fixture, decorate(function, loop_scope=scope, name=fixture))
    manager.register(plugin, name)


def _functions() -> dict[str, Callable[..., AsyncIterator[Any]]]:
    """Return the functions of fixtures. pytest-asyncio marks them, so each needs its own."""

    async def exchange(request: pytest.FixtureRequest) -> "AsyncIterator[FakeExchange]":
        from fourcasters_async.testing import FakeExchange  # noqa: PLC0415  # see above

        async with FakeExchange(seed=_given_seed(request.config) or 0) as exchange:
            yield exchange

    async def session(fake_exchange: "FakeExchange") -> "AsyncIterator[AsyncSession]":
        from fourcasters_async.session import AsyncSession  # noqa: PLC0415  # see above

        async with AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            streaming_url=fake_exchange.streaming_url,
        ) as session:
            yield session

    return {"exchange": exchange, "session": session}


# anyio sets up plain fixtures, for the tests that it runs.
_on_anyio = {
    what: pytest.fixture(function, name=f"_fake_{what}_on_anyio")
    for what, function in _functions().items()
}
_exchange_on_anyio, _session_on_anyio = _on_anyio.values()
