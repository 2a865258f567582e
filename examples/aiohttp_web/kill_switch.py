"""A kill switch in an aiohttp.web application, as small as it gets.

    python kill_switch.py
    curl --json '{"games": ["GAME_ID"]}' http://127.0.0.1:8080/halt

`curl -X POST http://127.0.0.1:8080/halt` halts everything. A signal, or whatever else ends the
application, cancels everything before it ends.
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from fourcasters_async import AsyncSession, InvalidRequestError

SESSION = web.AppKey("session", AsyncSession)


async def exchange(app: web.Application) -> AsyncIterator[None]:
    """Hold one session for the life of the application, and end flat."""
    async with AsyncSession.from_env() as session, session.flat_on_exit(deadline=10.0):
        app[SESSION] = session
        print("at", session.base_url, flush=True)  # noqa: T201  # the sandbox, or the real one
        yield


async def halt(request: web.Request) -> web.Response:
    """Halt the games of the body, or everything without one, and say what is known."""
    # Browsers say so when a page of another site sends this.
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise web.HTTPForbidden(text="this came from another site\n")
    games = (await request.json())["games"] if request.can_read_body else None
    try:
        report = await request.app[SESSION].halt(games, deadline=5.0)
    except InvalidRequestError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from None
    unsettled = {each.game_id: str(each.unsettled) for each in report.outcomes if each.unsettled}
    return web.json_response(
        {"clear": report.verified_clear, "report": str(report), "unsettled": unsettled}
    )


def make_app() -> web.Application:
    """Return the application."""
    app = web.Application()
    app.cleanup_ctx.append(exchange)
    app.router.add_post("/halt", halt)
    return app


if __name__ == "__main__":
    # Only this machine: whoever reaches it can stop the bot.
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
