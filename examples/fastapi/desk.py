"""A desk in a browser: games, open orders and exposure as they change, and a red button.

    python desk.py
    open http://127.0.0.1:8000

`POST /halt` places nothing more on the games of the body, or on any, cancels what rests there, and
streams what is known of each game as it comes. `POST /resume` lets orders be placed again, and
`GET /health` says what is well. Whatever ends the process, everything is cancelled first.
"""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from board import Board
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, StringConstraints
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.middleware.trustedhost import TrustedHostMiddleware

from fourcasters_async import AsyncSession, DeadManState, RateLimit

PAGE = Path(__file__).parent / "page"
# Who asks for another name than these was led here by somebody else's DNS.
HOSTS = os.environ.get("DESK_HOSTS", "127.0.0.1,localhost").split(",")
HALT_DEADLINE = float(os.environ.get("DESK_HALT_DEADLINE", "5"))
# Seconds between two signs of life to a page, which takes three times that for the server's end.
ALIVE = 2
FLAT_DEADLINE = float(os.environ.get("DESK_FLAT_DEADLINE", "10"))
HEADERS = {
    # The page runs only what comes with it, talks only to this server, and is in nobody's frame.
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold one session for the life of the server, and end flat."""
    app.state.limit = RateLimit()
    async with (
        AsyncSession.from_env(rate_limit=app.state.limit) as session,
        session.dead_man_switch(30) as app.state.switch,
        session.live_orders() as live,
        session.flat_on_exit(deadline=FLAT_DEADLINE) as app.state.end,
        Board(session, live) as app.state.board,
    ):
        print("at", session.base_url, flush=True)  # noqa: T201  # the sandbox, or the real one
        yield
    print(app.state.end.report, flush=True)  # noqa: T201  # what it did last


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
app.mount("/page", StaticFiles(directory=PAGE))


def the_board(request: Request) -> Board:
    """Return the board of the application."""
    board: Board = request.app.state.board
    return board


OnBoard = Annotated[Board, Depends(the_board)]


GameID = Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{24}$")]


class Games(BaseModel, extra="forbid"):
    """Some games, or all of them. An empty list is a mistake, and never means all."""

    games: Annotated[list[GameID], Field(min_length=1, max_length=1000)] | None = None


@app.middleware("http")
async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let no page of another origin change anything, and say how ours is to be treated."""
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    # A browser sends at least one of them with a POST. What is no browser sends neither.
    strange = request.headers.get("origin", here) != here or request.headers.get(
        "sec-fetch-site", "same-origin"
    ) not in ("same-origin", "none")
    if strange and request.method not in ("GET", "HEAD"):
        return JSONResponse({"error": "this came from another origin"}, status_code=403)
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response


@app.get("/")
async def index() -> FileResponse:
    """Return the page."""
    return FileResponse(PAGE / "page.html")


@app.get("/events")
async def events(board: OnBoard) -> EventSourceResponse:
    """Stream the board, whole, whenever it has changed, and `alive` in between."""

    async def states() -> AsyncIterator[dict[str, str]]:
        async for state in board.states():
            yield {"event": "board", "data": json.dumps(state)}

    return EventSourceResponse(
        states(),
        ping=ALIVE,
        ping_message_factory=lambda: ServerSentEvent("alive", event="alive"),
    )


@app.post("/halt")
async def halt(asked: Games, board: OnBoard) -> EventSourceResponse:
    """Halt games, and stream an `outcome` a game as it comes, and at last `done`.

    It goes on to the end, also if whoever asked hangs up.
    """
    halting = board.halt(asked.games, deadline=HALT_DEADLINE)

    async def outcomes() -> AsyncIterator[dict[str, str]]:
        async for kind, told in halting:
            yield {"event": kind, "data": json.dumps(told)}

    return EventSourceResponse(outcomes())


@app.post("/resume")
async def resume(asked: Games, board: OnBoard) -> dict[str, object]:
    """Let orders be placed again, and return what is still halted."""
    board.resume(asked.games)
    return {"halted": board.halted()}


@app.get("/health")
async def health(request: Request, board: OnBoard) -> JSONResponse:
    """Say whether the dead-man switch is armed and the own orders are known: 200 or 503."""
    switch, limit = request.app.state.switch.state, request.app.state.limit
    well = switch is DeadManState.ARMED and board.live.current
    told = {
        "well": well,
        "switch": switch,
        "feed": board.feed(),
        "halted": board.halted(),
        "rate_limit": {
            "requests": limit.requests,
            "window": limit.window,
            "waiting": limit.anyone_waiting,
        },
    }
    return JSONResponse(told, status_code=200 if well else 503)


def exit_status() -> int:
    """Return 0 if nothing rests, or nothing was begun, and 3 if that is not known."""
    return app.state.end.exit_status if hasattr(app.state, "end") else 0


# The outermost: nothing is answered under another name.
app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)


if __name__ == "__main__":
    # Once it has ended, uvicorn gives itself the signal again, and that would be the exit status.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(exit_status()))
    # Only this machine: whoever reaches the page can stop the bot.
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
    sys.exit(exit_status())
