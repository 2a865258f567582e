"""The pytest plugin, in projects of users: whatever runs their coroutines, and if nothing does."""

from importlib import metadata

import pytest

pytest_plugins = ["pytester"]

STRICT = ("-p", "no:anyio", "-o", "asyncio_mode=strict")
AUTO = ("-p", "no:anyio", "-o", "asyncio_mode=auto")
BOTH = ("-o", "asyncio_mode=strict")
ANYIO = ("-p", "no:asyncio")

TEST = """
async def test_a_bot(fake_exchange, fake_session):
    game = fake_exchange.add_game(orders=3)
    report = await fake_session.halt([game.game_id], deadline=20.0)
    assert report.verified_clear
    assert not fake_exchange.open_orders()
    assert fake_exchange.received("cancelAllOrdersForGame") == 1
"""
MARK = "import pytest\npytestmark = pytest.mark.{}\n"
ON_ASYNCIO = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


@pytest.fixture(autouse=True)
def _alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep out what the run around these tests asks for."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    # pytest-asyncio warns where a project does not choose the default of its own fixtures.
    about_scopes = "ignore:The configuration option .asyncio_default_fixture_loop_scope"
    pytester.makeini(f"[pytest]\nfilterwarnings =\n    error\n    {about_scopes}\n")


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    # To load some plugins takes longer than all else here.
    without = ("cacheprovider", "hypothesispytest", "randomly", "schemathesis")
    options = [word for name in without for word in ("-p", f"no:{name}")]
    return pytester.runpytest_subprocess(*options, *words)


def test_it_is_an_entry_point() -> None:
    points = metadata.entry_points(group="pytest11", name="fourcasters")
    assert {each.value for each in points} == {"fourcasters_async._pytest_plugin"}, (
        "install the project again: pip install --editable '.[dev]'"
    )


@pytest.mark.parametrize(
    ("words", "before"),
    [
        (STRICT, MARK.format("asyncio")),
        (STRICT, MARK.format('asyncio(loop_scope="session")')),
        (AUTO, ""),
        ((*AUTO, "-o", "asyncio_default_test_loop_scope=module"), ""),
        (BOTH, MARK.format("asyncio")),
        (BOTH, MARK.format("anyio") + ON_ASYNCIO),
        (ANYIO, MARK.format("anyio") + ON_ASYNCIO),
        ((*ANYIO, "-o", "anyio_mode=auto"), ON_ASYNCIO),
    ],
    ids=[
        "strict",
        "strict-session-loop",
        "auto",
        "auto-module-loop",
        "asyncio-beside-anyio",
        "anyio-beside-strict",
        "anyio",
        "anyio-auto",
    ],
)
def test_the_fixtures_are_in_the_loop_of_the_test(
    pytester: pytest.Pytester, words: tuple[str, ...], before: str
) -> None:
    pytester.makepyfile(before + TEST)
    run(pytester, *words).assert_outcomes(passed=1)


def test_under_trio_a_test_is_skipped_and_says_why(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARK.format("anyio") + ON_ASYNCIO.replace('"asyncio"', '"trio"') + TEST)
    result = run(pytester, *ANYIO, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*fourcasters_async runs on asyncio, not on trio"])


def test_where_two_plugins_run_a_test_the_error_says_which_mode_to_choose(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(MARK.format("anyio") + ON_ASYNCIO + TEST)
    result = run(pytester, "-o", "asyncio_mode=auto")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*set `asyncio_mode = "strict"`*'])


@pytest.mark.parametrize("words", [("-p", "no:asyncio", "-p", "no:anyio"), ANYIO], ids=str)
def test_where_nothing_makes_a_loop_the_error_says_what_to_do(
    pytester: pytest.Pytester, words: tuple[str, ...]
) -> None:
    pytester.makepyfile("def test_a_bot(fake_session):\n    pass\n")
    result = run(pytester, *words)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["fake_exchange needs an event loop: install pytest-asyncio, or *"])


def test_a_coroutine_that_is_not_marked_is_told_to_be(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = run(pytester, *BOTH)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["nothing runs this coroutine: mark the test with *"])


def test_a_pytest_asyncio_that_is_too_old_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest_asyncio\npytest_asyncio.__version__ = '1.0.0'")
    pytester.makepyfile(MARK.format("asyncio") + TEST)
    result = run(pytester, *BOTH)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["fake_exchange needs pytest-asyncio 1.1 or later"])


def test_a_test_that_is_no_coroutine_can_look_at_the_exchange(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(fake_exchange):
            fake_exchange.add_game(orders=3)
            assert len(fake_exchange.open_orders()) == 3
        """
    )
    run(pytester, *BOTH).assert_outcomes(passed=1)


def test_a_project_that_does_not_use_it_imports_none_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_of_the_library_but_the_plugin():
            theirs = {name for name in sys.modules if name.startswith("fourcasters_async.")}
            assert theirs == {
                "fourcasters_async._lazy",
                "fourcasters_async._pytest_plugin",
                "fourcasters_async._version",
                "fourcasters_async.models",
            }

        def test_nothing_of_what_it_needs():
            assert not {"aiohttp", "attrs", "cattrs", "orjson"} & set(sys.modules)
        """
    )
    run(pytester, "-p", "no:asyncio", "-p", "no:anyio").assert_outcomes(passed=2)


def test_it_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a_bot(fake_exchange):\n    pass\n")
    result = run(pytester, "-p", "no:fourcasters")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'fake_exchange' not found"])


def test_a_fixture_of_the_same_name_goes_before_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest_asyncio
        from fourcasters_async.testing import FakeExchange

        @pytest_asyncio.fixture
        async def fake_exchange():
            async with FakeExchange(latency=0.001) as exchange:
                yield exchange
        """
    )
    pytester.makepyfile(
        MARK.format("asyncio")
        + """
async def test_a_bot(fake_exchange, fake_session):
    await fake_session.account.get_me()
    assert (fake_exchange.latency, fake_exchange.received("getMe")) == (0.001, 1)
"""
    )
    run(pytester, *STRICT).assert_outcomes(passed=1)


def test_a_conftest_that_still_names_the_old_module_works(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["fourcasters_async.testing.fixtures"]')
    pytester.makepyfile(MARK.format("asyncio") + TEST)
    run(pytester, *STRICT).assert_outcomes(passed=1)


SEEDED = """
async def test_a_day(fake_exchange):
    fake_exchange.fill_day(games=1)
    game = next(iter(fake_exchange.book.games.values()))
    assert not [fake_exchange.seed, game.away, game.home]
"""


def said(result: pytest.RunResult, prefix: str) -> str:
    (line,) = {each for each in result.outlines if each.startswith(prefix)}
    return line


def test_a_run_is_repeated_by_the_seed_that_its_header_and_its_report_say(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(SEEDED)
    first = run(pytester, *AUTO, "--fourcasters-seed=random")
    option = said(first, "--fourcasters-seed=")
    assert said(first, "fourcasters: ") == f"fourcasters: {option}"
    again = run(pytester, *AUTO, option)
    drawn = [said(each, "E       AssertionError: assert not [") for each in (first, again)]
    assert drawn[0] == drawn[1]


def test_two_processes_share_the_seed_that_was_drawn(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SEEDED)
    result = run(pytester, *AUTO, "--fourcasters-seed=random", "-n", "1")
    assert said(result, "fourcasters: ").endswith(said(result, "--fourcasters-seed="))


def test_without_the_option_the_seed_is_0_and_nothing_is_said_of_it(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(SEEDED)
    result = run(pytester, *AUTO)
    result.stdout.fnmatch_lines(["E *AssertionError: assert not [[]0, *"])
    result.stdout.no_fnmatch_line("*--fourcasters-seed*")


@pytest.mark.parametrize("seed", ["", "-1", "1.5", "Random"])
def test_a_seed_that_is_no_number_is_refused(pytester: pytest.Pytester, seed: str) -> None:
    result = run(pytester, f"--fourcasters-seed={seed}")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--fourcasters-seed: invalid seed value: *"])
