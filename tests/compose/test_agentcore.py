"""docs/agentcore.md: the image, started as AgentCore starts it, as the page tells to try it; test_image.py has the rest."""

import json
import os
import re

from harness.client import Place
from harness.process import ROOT
from harness.redis import free_port
from project import IMAGE, docker, inspect, run

(SHOWN,) = re.findall(r"^```sh\n(docker build.*?)^```", (ROOT / "docs/agentcore.md").read_text(), re.MULTILINE | re.DOTALL)
MESH_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh"
STOP_SECONDS = 15  # that the platform gives


class Runtime:
    tls = None

    def __init__(self, port):
        self.url = f"ws://127.0.0.1:{port}"
        self.options = {"redis_url": self.url}


async def join(runtime, id):
    client = await Place(runtime).connect(id, headers={MESH_HEADER: "team"})
    await client.announce()
    await client.settle()
    return client


async def test_the_commands(image):
    port, own = free_port(), f"tests-{os.getpid()}"
    words = {
        " p2p-relay": f" {IMAGE}",
        " agentcore": f" {own}",
        "--name redis": f"--name {own}-redis",
        "--name relay": f"--name {own}-relay",
        "redis://redis": f"redis://{own}-redis",
        "-f relay redis": f"-f {own}-relay {own}-redis",
        "8080:8080": f"{port}:8080",
        "localhost:8080": f"localhost:{port}",
        "/ping\n": "/ping; echo\n",
    }
    script = SHOWN
    for word, other in words.items():
        assert word in script
        script = script.replace(word, other)
    start, _, end = script.partition("docker rm")
    try:
        ping, listed = map(json.loads, run(["bash", "-euc", start]).stdout.splitlines()[-2:])
        assert ping == {"status": "Healthy"}
        assert listed == {"status": listed["status"], "peers": [], "count": 0}
        assert listed["status"] in ("ok", "degraded"), "Redis may still be at its start"
        alice, bob = await join(Runtime(port), "alice"), await join(Runtime(port), "bob")
        await alice.send("direct", {"say": "hello"}, to="bob")
        await bob.expect(type="direct", from_="alice", data={"say": "hello"})
        docker("stop", "-t", str(STOP_SECONDS), f"{own}-relay")
        assert inspect(f"{own}-relay")[0]["State"]["ExitCode"] == 0
        await alice.expect_close(1012)
    finally:
        run(["bash", "-euc", f"docker rm{end}"])
