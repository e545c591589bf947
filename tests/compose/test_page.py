"""docs/deploy-compose.md: what it tells to type works as it stands there, in this order."""

import re

from harness import patience
from harness.client import Place
from harness.process import ROOT
from project import docker, run

PAGE = (ROOT / "docs/deploy-compose.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


async def test_the_commands(start_project, composer, mesh):
    project = start_project(composer)
    words = {
        "docker compose": " ".join(composer),
        "localhost:8080": f"localhost:{project.port}",
        # Grafana's image is nowhere to be had without a registry.
        "--profile monitoring up -d": "--profile monitoring up -d prometheus",
    }
    seen = {}
    for block in blocks("sh"):
        shown = block
        for word, other in words.items():
            shown = shown.replace(word, other)
        if "curl" in shown:
            done = patience.until(lambda: attempt(project, shown), "an answer", 60)
        else:
            done = run(["bash", "-euc", shown], environment=project.environment)
        seen[block] = done.stdout
        if "readyz" in block:
            await people_meet(project, mesh)
        if "--scale relay=6" in block:
            assert len(project.ids("relay")) == 3
            await people_meet(project, mesh)
    assert any("relay" in shown for block, shown in seen.items() if block.count(" ps\n"))
    assert any("event=listening" in shown for shown in seen.values())
    assert project.ids() == []


def attempt(project, command):
    done = run(["bash", "-euc", command], check=False, environment=project.environment)
    return done if done.returncode == 0 else None


async def people_meet(project, mesh):
    alice = await Place(project, mesh).join("alice")
    bob = await Place(project, mesh).join("bob")
    await alice.send("direct", {"say": "hello"}, to="bob")
    await bob.expect(type="direct", from_="alice", data={"say": "hello"})
    for client in (alice, bob):
        await client.close()


def test_a_file_of_ones_own(start_project, composer, tmp_path):
    """Its variables come on top of those that are there."""
    (text,) = blocks("yaml")
    (tmp_path / "mine.yaml").write_text(text)
    project = start_project(composer)
    shown = project.compose("-f", tmp_path / "mine.yaml", "config").stdout
    assert re.search(r"RELAY_AUTH: jwt", shown) and re.search(r"RELAY_ADMIN_LISTEN:", shown)


def test_it_says_where_what_is(image):
    """Names of files, variables and options on the page are real."""
    for path in re.findall(r"`((?:compose|monitoring|scripts)/[\w./-]+)", PAGE):
        assert (ROOT / path).exists(), path
    options = docker("run", "--rm", image, "--options=json").stdout
    for variable in re.findall(r"RELAY_[A-Z_]+", PAGE):
        assert variable in options, variable
    knobs = (ROOT / "compose/.env").read_text()
    for knob in ("LISTEN", "NOFILE", "RELAY_IMAGE"):
        assert f"\n{knob}=" in knobs and f"${{{knob}:-" in (ROOT / "compose/compose.yaml").read_text()
