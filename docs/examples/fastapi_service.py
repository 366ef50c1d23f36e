"""A FastAPI service: one session for its life, and an answer with the outcome of a message.

Serve it with `uvicorn fastapi_service:app` and the variables of `TwakeSession.from_env()`.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException

from twake_async import NotSentError, OutcomeUnknownError, RefusedError, TwakeSession
from twake_async.sandbox import Sandbox


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one session while the service runs; at the end, wait for the sends that run."""
    async with TwakeSession.from_env(deadline=10) as twake:
        app.state.twake = twake
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/channels/{channel_id}/messages")
async def announce(channel_id: str, text: str) -> dict[str, str]:
    """Send a message; 503 may be repeated, 502 needs a fix, 504 may be there already."""
    try:
        message = await app.state.twake.send_message(channel_id, text)
    except NotSentError as failure:
        raise HTTPException(503, str(failure)) from failure
    except RefusedError as refusal:
        raise HTTPException(502, str(refusal)) from refusal
    except OutcomeUnknownError as doubt:
        raise HTTPException(504, str(doubt)) from doubt
    return {"id": message.id}


async def demo() -> None:
    """Ask the service three times: it works, the group is refused, the answer is lost."""
    async with Sandbox() as box:
        os.environ.update(box.environment)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
        async with app.router.lifespan_context(app), client:
            for number in range(3):
                if number == 1:
                    box.refuse_next("group")
                elif number == 2:
                    box.fail_next(after_storing="close")
                answer = await client.post(f"/channels/{box.channel_id}/messages?text=Hello")
                print(answer.status_code, answer.json())


if __name__ == "__main__":
    asyncio.run(demo())
