"""The page of `examples/fastapi` in a real browser.

It wants Chromium or Chrome on the path, such as Debian's `chromium`, and Playwright to drive it.
`DESK_PICTURE=docs/pictures/desk.png` makes the picture of the documentation.
"""

import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from desk_process import Desk, game_with_orders, running_desk
from support import until

from fourcasters_async.testing import FakeExchange, faults

for needed in ("fastapi", "uvicorn", "sse_starlette", "playwright"):
    pytest.importorskip(
        needed, reason=f"{needed} is not installed: pip install '.[examples-tests]'"
    )
if sys.platform == "win32":
    pytest.skip("Windows sends a process no signals", allow_module_level=True)

from playwright.async_api import (  # noqa: E402  # as above, it may not be installed
    Browser,
    Locator,
    Page,
    async_playwright,
    expect,
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
if BROWSER is None:
    pytest.skip(f"no browser is on the path: {', '.join(BROWSERS)}", allow_module_level=True)

pytestmark = pytest.mark.real_time
MINUS = "\N{MINUS SIGN}"
NOT_KNOWN = "not known: the server does not answer"
# Milliseconds after which a test is stuck.
expect.set_options(timeout=60_000)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with (
        async_playwright() as playwright,
        # Root, as in a container, has no sandbox of Chromium's.
        await playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox"] if os.geteuid() == 0 else []
        ) as browser,
    ):
        yield browser


@asynccontextmanager
async def opened(browser: Browser, at: Desk, *, width: int = 1000) -> AsyncIterator[Page]:
    """Open the page, and see at the end that the browser had nothing to complain of."""
    page = await browser.new_page(viewport={"width": width, "height": 700})
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(at.url)
    await expect(page.locator("#link")).to_have_attribute("data-link", "live")
    yield page
    await page.close()
    # A server that is gone is complained of too.
    assert [text for text in complaints if "ERR_" not in text] == []


def card(page: Page, name: str) -> Locator:
    return page.locator(".game").filter(has_text=name)


async def test_the_button_halts_everything_and_every_game_turns_green(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    for name in ("One", "Two", "Three"):
        game_with_orders(fake_exchange, name)
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await expect(page.locator(".game")).to_have_count(3)
        await page.get_by_role("button", name="Halt everything").click()
        await expect(page.locator('.game[data-state="clear"]')).to_have_count(3)
        await expect(page.locator("#summary")).to_contain_text("halted and clear")
        assert not fake_exchange.open_orders()


async def test_a_game_that_stays_unknown_stays_amber_with_its_reason(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game_with_orders(fake_exchange, "Good")
    bad = game_with_orders(fake_exchange, "Bad").game_id
    fake_exchange.inject(faults.Unavailable(), game_id=bad, times=None)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrders", times=None)
    async with (
        running_desk(fake_exchange, halt_deadline=2.0) as at,
        opened(browser, at) as page,
    ):
        await page.get_by_role("button", name="Halt everything").click()
        await expect(page.locator("#summary")).to_contain_text("NOT known to be clear")
        await expect(card(page, "Good")).to_have_attribute("data-state", "clear")
        await expect(card(page, "Bad")).to_have_attribute("data-state", "unknown")
        await expect(card(page, "Bad").locator(".state")).to_contain_text("3 orders still open")
        fake_exchange.clear_faults()
        await page.get_by_role("button", name="Halt Bad").click()
        await expect(card(page, "Bad")).to_have_attribute("data-state", "clear")


async def test_an_order_that_comes_and_one_that_goes_are_seen(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game = game_with_orders(fake_exchange, "One", 1)
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await expect(card(page, "One").locator(".open")).to_have_text("1")
        order = fake_exchange.book.place(fake_exchange.account, game.game_id, odds=125)
        await expect(card(page, "One").locator(".open")).to_have_text("2")
        await card(page, "One").locator("summary").click()
        await expect(card(page, "One").locator(".orders")).to_contain_text("One Hosts at +125")
        fake_exchange.book.cancel(order)
        await expect(card(page, "One").locator(".open")).to_have_text("1")


async def test_the_exposure_follows_a_fill(fake_exchange: FakeExchange, browser: Browser) -> None:
    game_with_orders(fake_exchange, "One", 1)
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await expect(card(page, "One").locator(".worst")).to_have_text("+0.00")
        fake_exchange.book.fill(fake_exchange.open_orders()[0].order_id, 40.0)
        await expect(card(page, "One").locator(".worst")).to_have_text(f"{MINUS}40.00")


async def test_what_one_tab_halts_the_other_one_shows(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game_with_orders(fake_exchange, "One")
    async with (
        running_desk(fake_exchange) as at,
        opened(browser, at) as mine,
        opened(browser, at) as other,
    ):
        await mine.get_by_role("button", name="Halt everything").click()
        await expect(card(other, "One")).to_have_attribute("data-state", "clear")
        await expect(other.locator("#link")).to_contain_text("everything is halted")
        await other.get_by_role("button", name="Resume everything").click()
        await expect(mine.locator("#link")).to_have_text("live")


async def test_both_tabs_may_press_the_button_at_once(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    for name in ("One", "Two"):
        game_with_orders(fake_exchange, name)
    fake_exchange.latency = 0.2
    async with (
        running_desk(fake_exchange) as at,
        opened(browser, at) as mine,
        opened(browser, at) as other,
    ):
        for page in (mine, other):
            await page.get_by_role("button", name="Halt everything").click()
        for page in (mine, other):
            await expect(page.locator("#summary")).to_contain_text("halted and clear")
            await expect(page.locator('.game[data-state="clear"]')).to_have_count(2)


async def test_a_server_that_is_killed_half_way_is_seen_and_nothing_is_called_clear(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game = game_with_orders(fake_exchange, "One").game_id
    fake_exchange.inject(faults.Stall(), game_id=game, times=None)
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrders", times=None)
    async with (
        running_desk(fake_exchange, halt_deadline=3600.0) as at,
        opened(browser, at) as page,
    ):
        await page.get_by_role("button", name="Halt everything").click()
        await expect(card(page, "One")).to_have_attribute("data-state", "halting")
        await fake_exchange.wait_for("cancelAllOrdersForGame")
        await at.end(signal.SIGKILL)
        await expect(page.locator("#link")).to_contain_text(NOT_KNOWN)
        await expect(card(page, "One")).to_have_attribute("data-state", "unknown")
        await expect(page.locator("#summary")).to_contain_text("not known what became")


async def expect_nothing_known(page: Page) -> None:
    await expect(page.locator("#link")).to_have_attribute("data-link", "lost")
    await expect(page.locator("#link")).to_contain_text(NOT_KNOWN)
    await expect(page.locator("#summary")).to_have_text(NOT_KNOWN)
    await expect(page.locator("#summary")).to_have_attribute("data-state", "unknown")
    await expect(card(page, "Halted")).to_have_count(1)
    for game in await page.locator(".game").all():
        await expect(game).to_have_attribute("data-state", "unknown")
        await expect(game.locator(".state")).to_have_text(NOT_KNOWN)
        await expect(game.locator("dd")).to_have_text(["?"] * 4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
async def test_a_halt_that_was_clear_is_not_known_once_the_server_has_ended(
    fake_exchange: FakeExchange, browser: Browser, number: signal.Signals
) -> None:
    for name in ("Halted", "Other"):
        game_with_orders(fake_exchange, name)
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await page.get_by_role("button", name="Halt Halted").click()
        await expect(page.locator("#summary")).to_contain_text("halted and clear")
        await expect(card(page, "Halted")).to_have_attribute("data-state", "clear")
        await at.end(number)
        await expect_nothing_known(page)
        async with running_desk(fake_exchange, port=int(at.url.rpartition(":")[2])):
            await expect(page.locator("#link")).to_have_text("live")
            # Of a halt of the other server this one knows nothing.
            await expect(page.locator("#summary")).to_have_text("")


async def test_a_server_that_hangs_is_seen_until_it_goes_on(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    for name in ("Halted", "Other"):
        game_with_orders(fake_exchange, name)
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await page.get_by_role("button", name="Halt Halted").click()
        await expect(page.locator("#summary")).to_contain_text("halted and clear")
        at.process.send_signal(signal.SIGSTOP)
        try:
            await expect_nothing_known(page)
        finally:
            at.process.send_signal(signal.SIGCONT)
        await expect(page.locator("#link")).to_have_text("live")
        await expect(card(page, "Halted")).to_have_attribute("data-state", "clear")


async def test_a_page_whose_server_comes_back_goes_on(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game_with_orders(fake_exchange, "One")
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await at.end(signal.SIGKILL)
        await expect(page.locator("#link")).to_have_attribute("data-link", "lost")
        async with running_desk(fake_exchange, port=int(at.url.rpartition(":")[2])):
            await expect(page.locator("#link")).to_have_text("live")
            await page.get_by_role("button", name="Halt everything").click()
            await expect(card(page, "One")).to_have_attribute("data-state", "clear")


async def test_what_is_not_known_any_more_is_not_green(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game_with_orders(fake_exchange, "One")
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await page.get_by_role("button", name="Halt everything").click()
        await expect(card(page, "One")).to_have_attribute("data-state", "clear")
        fake_exchange.inject(faults.Unavailable(), endpoint="user", times=None)
        await fake_exchange.drop_sockets(endpoint="user")
        await expect(card(page, "One")).to_have_attribute("data-state", "unknown")
        await expect(card(page, "One").locator(".state")).to_have_text("was clear; not known now")
        fake_exchange.clear_faults()
        await expect(card(page, "One")).to_have_attribute("data-state", "clear")


async def test_an_order_that_somebody_else_places_after_the_halt_is_not_green(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game = game_with_orders(fake_exchange, "One")
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await page.get_by_role("button", name="Halt everything").click()
        await expect(card(page, "One")).to_have_attribute("data-state", "clear")
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await expect(card(page, "One").locator(".state")).to_have_text("was clear; 1 order since")
        await expect(card(page, "One")).to_have_attribute("data-state", "unknown")


async def test_tabs_that_nobody_looks_at_do_not_keep_the_button_waiting(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game_with_orders(fake_exchange, "One")
    hide = """() => {
        Object.defineProperty(document, "hidden", {value: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    async with running_desk(fake_exchange) as at:
        context = await browser.new_context()
        # One more than a browser has connections to a server.
        for _ in range(7):
            page = await context.new_page()
            await page.goto(at.url)
            await expect(page.locator("#link")).to_have_text("live")
            await page.evaluate(hide)
        page = await context.new_page()
        await page.goto(at.url)
        await page.get_by_role("button", name="Halt everything").click()
        await expect(card(page, "One")).to_have_attribute("data-state", "clear")
        await context.close()


async def test_the_keyboard_is_enough(fake_exchange: FakeExchange, browser: Browser) -> None:
    for name in ("One", "Two"):
        game_with_orders(fake_exchange, name)
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await expect(page.locator(".game")).to_have_count(2)
        button = card(page, "Two").get_by_role("button", name="Halt Two")
        while not await button.evaluate("each => each === document.activeElement"):
            await page.keyboard.press("Tab")
        # What comes meanwhile does not take the focus away.
        game_with_orders(fake_exchange, "Three")
        await expect(page.locator(".game")).to_have_count(3)
        await page.keyboard.press("Enter")
        await expect(card(page, "Two")).to_have_attribute("data-state", "clear")
        await expect(card(page, "One")).to_have_attribute("data-state", "open")


async def test_the_first_thing_that_the_keyboard_reaches_is_the_red_button(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game_with_orders(fake_exchange, "One")
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await until(lambda: not fake_exchange.open_orders())


async def test_it_fits_a_phone(fake_exchange: FakeExchange, browser: Browser) -> None:
    long = "Borussia-Mönchengladbach-Wanderers-and-Athletic" * 2
    game_with_orders(fake_exchange, long)
    async with running_desk(fake_exchange) as at, opened(browser, at, width=360) as page:
        await expect(page.locator(".game")).to_have_count(1)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        box = await page.get_by_role("button", name="Halt everything").bounding_box()
        assert box is not None
        # A thumb hits it, without scrolling.
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 700


async def test_the_name_of_a_game_is_text_and_never_a_program(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    evil = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
    game_with_orders(fake_exchange, evil)
    async with running_desk(fake_exchange) as at, opened(browser, at) as page:
        await expect(page.locator(".game h2")).to_contain_text(evil)
        await page.get_by_role("button", name="Halt everything").click()
        await expect(page.locator('.game[data-state="clear"]')).to_have_count(1)
        assert await page.locator(".game img, .game script").count() == 0
        assert await page.evaluate("window.hacked") is None


async def test_a_page_of_another_origin_cannot_press_the_button(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    game_with_orders(fake_exchange, "One")
    async with running_desk(fake_exchange) as at:
        page = await browser.new_page()
        send = "url => fetch(url, {method: 'POST', mode: 'no-cors', body: '{}'}).then(() => 1)"
        async with page.expect_response(f"{at.url}/halt") as answer:
            assert await page.evaluate(send, f"{at.url}/halt") == 1
        assert (await answer.value).status == 403
        assert len(fake_exchange.open_orders()) == 3
        await page.close()


@pytest.mark.skipif("DESK_PICTURE" not in os.environ, reason="DESK_PICTURE names no file")
async def test_the_picture_of_the_documentation_is_made(
    fake_exchange: FakeExchange, browser: Browser
) -> None:
    names = [("Celtics", "Lakers"), ("Bruins", "Rangers"), ("Arsenal", "Everton")]
    games = [fake_exchange.book.add_game(away=away, home=home) for away, home in names]
    for game in games:
        for odds in (-110, -115):
            fake_exchange.book.place(fake_exchange.account, game.game_id, odds=odds)
    fake_exchange.book.fill(fake_exchange.open_orders()[0].order_id, 40.0)
    bad = games[-1].game_id
    fake_exchange.inject(faults.Unavailable(), game_id=bad, times=None)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrders", times=None)
    async with (
        running_desk(fake_exchange, halt_deadline=2.0) as at,
        opened(browser, at) as page,
    ):
        await page.get_by_role("button", name="Halt everything").click()
        await expect(page.locator("#summary")).to_contain_text("NOT known to be clear")
        await expect(card(page, "Everton")).to_have_attribute("data-state", "unknown")
        await page.screenshot(path=os.environ["DESK_PICTURE"])
