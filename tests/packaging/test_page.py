"""docs/deploy-bare-metal.md: what it tells to type works as it stands there, in this order."""

import http.client
import os
import re
import ssl

import pytest

from harness import patience
from harness.certificates import Authority
from harness.process import ROOT
from harness.relay import BINARY
from host import SERVICE, meet
from project import run

PAGE = (ROOT / "docs/deploy-bare-metal.md").read_text()
PACKAGE = "p2p-relay_0.1.0_amd64.deb"
PASSWORD = "pa55word"
NAME = "relay.example.org"
BUILD, ON_ANY_LINUX = "scripts/package\n", "cmake --install build/release"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page_host(start_host, tmp_path_factory):
    """With a Redis that wants a password, and certificates where the page has them."""
    host = start_host("--add-host", f"{NAME}:127.0.0.1")
    authority = Authority(tmp_path_factory.mktemp("authority"))
    for name in ("first", "second"):
        certificate = authority.issue(name, names=[f"DNS:{NAME}", f"IP:{host.address}"])
        host.copy(certificate.cert, f"/root/{name}.pem")
        host.copy(certificate.key, f"/root/{name}.key")
    certify(host, "first")
    host.sh(f"mkdir /etc/nginx/{NAME}; cp fullchain.pem privkey.pem /etc/nginx/{NAME}/")
    host.sh(f"redis-cli CONFIG SET requirepass {PASSWORD}")
    host.context = ssl.create_default_context(cafile=authority.cert)
    return host


def certify(host, name):
    host.sh(f"cp {name}.pem fullchain.pem; cp {name}.key privkey.pem")


def status(host, path):
    connection = http.client.HTTPSConnection(host.address, host.port, timeout=patience.SECONDS, context=host.context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def certificate(host):
    return ssl.get_server_certificate((host.address, host.port), timeout=patience.SECONDS).strip()


async def test_the_commands(page_host, package, mesh, monkeypatch):
    """Block after block, and after each what it was for."""
    host = page_host
    left = [block for block in blocks("sh") if block != BUILD and ON_ANY_LINUX not in block]

    def type(words, sh=host.sh):
        """The next block, which has these words."""
        block = left.pop(0)
        assert words in block
        return sh(f"export REDISCLI_AUTH={PASSWORD}\n{block.replace(PACKAGE, package.name)}").stdout

    type("apt-get install")
    assert host.systemctl("is-active", SERVICE).stdout == "inactive\n"
    type("RELAY_REDIS_URL")
    type("EDITOR")
    assert host.sh(f"stat -c %a:%U /etc/{SERVICE}/redis-password").stdout == "600:root\n"
    host.write(f"/etc/{SERVICE}/redis-password", PASSWORD)
    type("enable --now")
    patience.until(lambda: "ready" in host.sh("curl -s http://127.0.0.1:9090/readyz").stdout, host.log)
    shown = type("journalctl")
    assert "event=listening" in shown and "p2p_relay_workers 1" in shown

    host.write("/etc/nginx/sites-enabled/p2p-relay", *blocks("nginx"))
    type("nginx -t")
    monkeypatch.setattr(host, "port", 443)
    monkeypatch.setattr(host, "tls", host.context, raising=False)
    patience.until(lambda: status(host, "/readyz") == 200, host.log)
    clients = [await host.join(mesh, id) for id in ("alice", "bob")]
    await meet(*clients)
    for client in clients:
        await client.close()

    host.systemctl("stop", "nginx", check=True)
    type("groupadd")
    type("RELAY_TLS_CERT_FILE")
    with pytest.raises(Exception, match="401"):  # without a token
        await host.join(mesh, "alice")
    assert certificate(host) == host.sh("cat first.pem").stdout.strip()
    certify(host, "second")
    type("systemctl reload")
    patience.until(lambda: certificate(host) == host.sh("cat second.pem").stdout.strip(), host.log)

    type("RELAY_WORKERS=4")
    assert status(host, "/livez") == 200
    assert len(host.pids()) == 1 + 4
    assert type("redis-cli") == "PONG\n"

    old = host.pid
    install, restart = left[0].splitlines()
    host.sh(install.replace(PACKAGE, package.name).replace("install", "install --reinstall"))
    assert host.pid == old, "it goes on"
    left.pop(0)
    host.sh(restart)
    assert host.pid not in (0, old)

    type("purge")
    assert host.systemctl("is-active", SERVICE).stdout == "inactive\n"
    assert host.sh("command -v p2p-relay", check=False).returncode != 0
    assert left == []


def test_without_a_package(tmp_path):
    (block,) = [block for block in blocks("sh") if ON_ANY_LINUX in block]
    run(["bash", "-euc", block], environment={**os.environ, "DESTDIR": str(tmp_path)})
    for path in re.findall(r"`(/usr/local/[\w./-]+\.env)`", PAGE):
        assert (tmp_path / path[1:]).exists()
    assert (tmp_path / "usr/local/bin/p2p-relay").exists()


def test_the_example_is_right():
    """Without its comment signs: status 2 would say that the relay does not understand it."""
    example = (ROOT / "packaging/p2p-relay.env").read_text()
    variables = dict(re.findall(r"^#(RELAY_[A-Z_]+)=(.*)$", example, re.M))
    done = run([BINARY, "--healthcheck"], check=False, environment={**os.environ, **variables})
    assert len(variables) > 5 and done.returncode in (0, 1), done.stderr


def test_it_says_where_what_is():
    """Names of variables and options on the page are real."""
    options = run([BINARY, "--options=json"]).stdout
    for word in re.findall(r"RELAY_[A-Z_]+", PAGE):
        assert f'"{word}"' in options, word
    for word in re.findall(r"`(--[a-z-]+)`", PAGE):
        assert f'"{word}"' in options or word == "--options", word
