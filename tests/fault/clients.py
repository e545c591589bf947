"""
Clients that a test speaks for itself, where the peers of the swarm are too much alike: those of
tests/integration, in a loop of the test's own.

    @with_clients
    async def test_something(rig):
        alice = await Place(rig.nodes[0], "mesh").join("alice", accept=["events"])
"""

import asyncio
import functools

from harness import client
from harness.client import Place

__all__ = ["Place", "with_clients"]


def with_clients(test):
    @functools.wraps(test)
    def run(*arguments, **named):
        async def in_loop():
            try:
                await test(*arguments, **named)
            finally:
                client.abandon_all()

        asyncio.run(in_loop())

    return run
