"""How long the tests wait for what must come: long enough for a sanitized binary on a busy machine.

Nothing waits this long when all is well, and nothing is proven by waiting: see client.fence().
"""

import asyncio
import time

SECONDS = 30


def until(condition, what, seconds=SECONDS):
    """Polls until the condition is true and returns its value; for processes, outside of a loop."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.005)


async def eventually(condition, what, seconds=SECONDS):
    """The same inside of a loop; the condition may be a plain function or a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        await asyncio.sleep(0.01)
