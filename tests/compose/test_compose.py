"""
Three relays behind a balancer, as compose/ ships them: peers on different relays meet, and what
docs/reliability.md promises holds while containers die, lose Redis, and are replaced.
"""

import asyncio
import re

import pytest

from harness import patience
from harness.client import Place, fence
from harness.nomads import nobody_notices
from harness.process import ROOT
from harness.redis import LEAST
from project import docker, inspect

TTL = 30
STOP_SECONDS = 30


async def test_peers_on_different_relays_meet(start_project, composer, mesh):
    project = start_project(composer)
    project.up()
    one, two, three = await project.join_on(mesh, "peer", 3)
    await one.send("broadcast", {"say": "all"})
    for other in (two, three):
        await other.expect(type="broadcast", from_=one.id, data={"say": "all"})
        await other.send("direct", {"say": "you"}, to=one.id)
        await one.expect(type="direct", from_=other.id)
    await three.close()
    for other in (one, two):
        await other.expect(type="presence", from_=three.id, data={"status": "offline"})
    project.compose("down", "-v")
    assert project.ids() == []


def test_nobody_has_more_rights_than_needed(project):
    for container in project.containers():
        name, host, config = container["Name"], container["HostConfig"], container["Config"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"] and not host["Privileged"], name
        assert host["PidsLimit"] > 0 and host["Memory"] >= 0, name
        if "password" not in name:
            assert re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", config["User"]), name
            assert host["Memory"] > 0, name
        published = [port for ports in (host["PortBindings"] or {}).values() for port in ports]
        assert all(port["HostIp"] == "127.0.0.1" for port in published), name
        assert bool(published) == ("balancer" in name), name


def test_redis_lets_relays_do_what_they_must_and_no_more(project):
    """The rules are those of docs/reliability.md; nobody comes in without the password, nor with another."""
    assert (ROOT / "compose/redis/relay.acl").read_text().split() == LEAST

    def redis(*words):
        return docker("exec", project.ids("redis")[0], *words).stdout

    password = redis("cat", "/secrets/redis-password")
    assert re.fullmatch(r"[0-9a-f]{64}", password)
    login = ("redis-cli", "--no-auth-warning", "--user", "relay", "--pass")
    assert redis(*login, password, "PING").strip() == "PONG"
    assert "NOPERM" in redis(*login, password, "CONFIG", "GET", "*")
    assert "NOAUTH" in redis(*login, "other", "PING")
    assert "NOAUTH" in redis("redis-cli", "PING")
    shown = str(inspect(*project.ids())) + docker("top", project.ids("redis")[0]).stdout
    assert password not in shown


async def test_a_relay_dies(project, mesh):
    """Everybody hears of it once, and whoever was there is somewhere else at once."""
    dying, *others = await project.join_on(mesh, "peer", 4)
    container = project.container_of(dying.node)
    docker("kill", container)
    await patience.eventually(lambda: dying.closed, "its clients to notice")
    again = await project.join(mesh, "again")
    assert again.node != dying.node
    for other in others:
        await other.send("direct", {"say": "you"}, to="again")
        await again.expect(type="direct", from_=other.id)
        await other.expect(type="presence", from_=dying.id, data={"status": "offline"}, deadline=TTL + 10)
    await fence(again, others[0])
    for other in others:
        assert len(other.offlines_of(dying.id)) == 1
    docker("start", container)
    await project.join_on(mesh, "later", 4)


@pytest.mark.parametrize("cut, mend", [("pause", "unpause"), ("stop", "start")])
async def test_a_relay_is_cut_from_redis(project, mesh, cut, mend):
    """Its clients stay and are told; newcomers go elsewhere; and when it is over, all is as before."""
    (far_container,) = project.ids("relay-far")
    clients = await project.join_on(mesh, "peer", 4)
    (far,) = [client for client in clients if project.container_of(client.node) == far_container]
    near = next(client for client in clients if client is not far)

    project.compose(cut, "detour", profiles=["fault"])
    while not far.all(type="error", data={"code": "bus_unavailable"}):
        await far.send("broadcast", {"say": "lost"})
        await asyncio.sleep(0.5)
    await patience.eventually(lambda: newcomers_avoid(project, far.node), "newcomers to go elsewhere")
    assert far.closed is None

    project.compose(mend, "detour", profiles=["fault"])
    await far.expect(type="resync", deadline=60)
    await far.send("direct", {"say": "back"}, to=near.id)
    await near.expect(type="direct", from_=far.id, data={"say": "back"})
    await near.send("broadcast", {"say": "welcome"})
    await far.expect(type="broadcast", from_=near.id, data={"say": "welcome"})
    await project.join_on(mesh, "later", 4)


async def newcomers_avoid(project, node):
    newcomers = [await Place(project, "newcomers").connect() for _ in range(8)]
    nodes = {(await newcomer.settle())["data"]["relay"]["node"] for newcomer in newcomers}
    for newcomer in newcomers:
        await newcomer.close()
    return node not in nodes


async def test_redis_restarts_empty(project, mesh):
    """No socket is closed, and nobody is told offline."""
    clients = await project.join_on(mesh, "peer", 4)
    docker("restart", *project.ids("redis"))
    for client in clients:
        await client.expect(type="resync", deadline=60)
    for client in clients:
        for other in clients:
            if other is not client:
                await client.send("direct", {"say": "still here"}, to=other.id)
                await other.expect(type="direct", from_=client.id)
    for client in clients:
        assert client.closed is None
        assert not client.all(type="presence", data={"status": "offline"})


async def replace_all(project):
    """As docs/deploy-compose.md says: new ones come, then the old ones go, one by one."""
    old = project.ids("relay")
    scale = ("up", "-d", "--no-deps", "--no-recreate", "--scale")
    await asyncio.to_thread(project.compose, *scale, f"relay={2 * len(old)}", "relay")
    await asyncio.to_thread(project.wait_healthy)
    for container in old:
        await asyncio.to_thread(docker, "stop", "-t", STOP_SECONDS, container)
        await asyncio.to_thread(docker, "rm", container)


async def restart_all(project):
    for container in project.ids("relay") + project.ids("relay-far"):
        await asyncio.to_thread(docker, "restart", "-t", STOP_SECONDS, container)
        await asyncio.to_thread(project.wait_healthy)


@pytest.mark.parametrize("roll", [restart_all, replace_all])
async def test_all_relays_are_replaced_and_nobody_notices(project, mesh, roll):
    await nobody_notices(project, mesh, roll(project))


async def test_more_relays(project, mesh):
    project.compose("up", "-d", "--no-recreate", "--scale", "relay=4", profiles=["fault"])
    await project.join_on(mesh, "peer", 5)
    project.compose("up", "-d", "--no-recreate", "--scale", "relay=3", profiles=["fault"])
    await project.join_on(mesh, "later", 4)
