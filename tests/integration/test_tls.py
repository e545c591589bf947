"""
TLS to clients: everything works as without, the certificate is replaced without anybody noticing,
and who speaks badly, slowly or not TLS at all costs nobody else anything.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from harness import browser, patience
from harness.browser import Browser
from harness.certificates import Certificate
from harness.client import Place, fence
from harness.raw import frame, upgrade_request
from harness.redis import free_port
from test_browser import Page


@pytest.fixture
def good(authority):
    return authority.issue("listener")


@pytest.fixture
def replaced(authority, tmp_path):
    """A certificate in a place of its own, and how to put another there."""
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem", authority.cert)

    def put(other):
        for source, target in zip(other, certificate[:2]):
            shutil.copy(source, tmp_path / "new")
            os.replace(tmp_path / "new", target)

    put(authority.issue("first"))
    return certificate, put


def connect(relay):
    return socket.create_connection((relay.host, relay.port), patience.SECONDS)


def shown(relay):
    """The name on the certificate that a new connection is shown."""
    with relay.tls.wrap_socket(connect(relay), server_hostname="localhost") as session:
        return dict(pair for (pair,) in session.getpeercert()["subject"])["commonName"]


def read_until_closed(connection):
    got = b""
    try:
        while more := connection.recv(65536):
            got += more
    except ConnectionResetError:
        pass
    return got


async def meet(nodes, mesh):
    alice, bob = await Place(nodes[0], mesh).join("alice"), await Place(nodes[-1], mesh).join("bob")
    await fence(alice, bob)
    await fence(bob, alice)
    return alice, bob


async def test_peers_meet(start_relays, good, mesh):
    """Across nodes, of which one speaks TLS to its clients and one does not."""
    (safe,) = start_relays(1, tls=good)
    (plain,) = start_relays(1)
    alice, bob = await meet([safe, plain], mesh)
    assert safe.url.startswith("wss:") and plain.url.startswith("ws:")
    await alice.close()
    await bob.expect(type="presence", from_="alice", data={"status": "offline"})


async def test_large_messages(start_relays, good, mesh):
    """Longer than any record of TLS, and many at once, in both directions."""
    nodes = start_relays(2, tls=good, outbox_bytes_max="64MiB")
    alice, bob = await meet(nodes, mesh)
    for n in range(20):
        text = chr(97 + n) * (n * 50_000)
        await alice.send("direct", {"n": n, "text": text}, to="bob")
        await bob.send("direct", {"n": n, "text": text}, to="alice")
    for client in (alice, bob):
        client.pending = [m for m in client.pending if "fence" not in m.get("data", {})]
        for n, message in enumerate(await client.collect(20, type="direct")):
            assert message["data"] == {"n": n, "text": chr(97 + n) * (n * 50_000)}


async def test_a_client_that_does_not_read(start_relays, good, mesh):
    (node,) = start_relays(1, tls=good, message_bytes_max=65536, outbox_bytes_max=100_000)
    alice, bob = await meet([node], mesh)
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    tcp.connect((node.host, node.port))
    with node.tls.wrap_socket(tcp, server_hostname="localhost") as stuck:
        stuck.sendall(upgrade_request(f"/ws?mesh={mesh}"))
        stuck.sendall(frame(1, b'{"type":"presence","from":"stuck"}'))
        await alice.expect(type="presence", from_="stuck")
        sent = 0
        while not alice.offlines_of("stuck"):
            await alice.send("broadcast", {"n": sent, "fill": "x" * 60_000}, turnId="t")
            await bob.expect(type="broadcast", data={"n": sent})
            sent += 1
            assert sent < 1000, "the outbox has no bound"
    await patience.eventually(
        lambda: node.metric("p2p_relay_closes_total", code="4413") == 1, "the close to be counted"
    )
    await fence(alice, bob)


def test_plain_http_over_it(start_relays, good):
    """And the admin port stays without."""
    port = free_port()
    safe, plain = start_relays(1, tls=good, admin_listen=f"127.0.0.1:{port}") + start_relays(1)
    assert safe.get("/livez").json["status"] == "alive"
    assert safe.get("/").headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in safe.get("/livez").headers
    assert "Strict-Transport-Security" not in plain.get("/").headers
    with socket.create_connection(("127.0.0.1", port)) as admin:
        admin.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b" 200 " in read_until_closed(admin)


@pytest.mark.skipif(not browser.PROGRAM, reason="chromium is not installed")
async def test_in_a_browser(start_relays, good, mesh, tmp_path):
    nodes = start_relays(2, tls=good)
    async with Browser(tmp_path, "--ignore-certificate-errors") as chromium:
        first, second = [await Page.open(chromium, Place(node, mesh)) for node in nodes]
        await first.say("hello")
        await second.shows("log", "hello", first.id)


async def test_a_certificate_that_is_replaced(start_relays, replaced, authority, mesh):
    """At SIGHUP; once a minute, too (tests/unit/edge/test_certificate.c)."""
    certificate, put = replaced
    nodes = start_relays(2, tls=certificate)
    alice, bob = await meet(nodes, mesh)
    assert shown(nodes[0]) == "first"
    put(authority.issue("second"))
    nodes[0].signal(signal.SIGHUP)
    await patience.eventually(lambda: shown(nodes[0]) == "second", nodes[0].log)
    await fence(alice, bob)
    await fence(bob, alice)
    carol = await Place(nodes[0], mesh).join("carol")
    await fence(carol, alice)
    assert alice.closed is None and bob.closed is None


@pytest.mark.parametrize("fault", ["junk", "another key", "a password", "nothing there"])
async def test_a_replacement_that_is_broken(start_relays, replaced, authority, mesh, fault):
    """The old one stays in use, the log says why, and the next good one is taken."""
    certificate, put = replaced
    (node,) = start_relays(1, tls=certificate)
    alice, bob = await meet([node], mesh)
    if fault == "junk":
        certificate.cert.write_text("none")
    elif fault == "another key":
        shutil.copy(authority.issue("other").key, certificate.key)
    elif fault == "a password":
        encrypt(certificate.key)
    else:
        certificate.cert.unlink()
        certificate.key.unlink()
    node.signal(signal.SIGHUP)
    await patience.eventually(lambda: "what was read before stays in use" in node.log(), node.log)
    assert ("without a password" in node.log()) == (fault == "a password")
    assert shown(node) == "first"
    await fence(alice, bob)
    put(authority.issue("second"))
    node.signal(signal.SIGHUP)
    await patience.eventually(lambda: shown(node) == "second", node.log)


def encrypt(key):
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:secret", "-out", f"{key}.new"],
        check=True,
        capture_output=True,
    )
    os.replace(f"{key}.new", key)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_and_weak_tls(start_relays, good):
    (node,) = start_relays(1, tls=good)

    def speaks(ciphers, *versions):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
        context.minimum_version, context.maximum_version = versions
        context.set_alpn_protocols(["h2", "http/1.1"])
        try:
            with context.wrap_socket(connect(node)) as session:
                assert session.selected_alpn_protocol() == "http/1.1"
                assert session.compression() is None
                return session.version()
        except (ssl.SSLError, ConnectionError):
            return None

    version = ssl.TLSVersion
    assert speaks("ALL", version.TLSv1_3, version.TLSv1_3) == "TLSv1.3"
    assert speaks("ALL", version.TLSv1_2, version.TLSv1_2) == "TLSv1.2"
    assert speaks("ALL", version.TLSv1, version.TLSv1_1) is None
    for ciphers, expected in {
        "ECDHE-ECDSA-AES128-GCM-SHA256": "TLSv1.2",
        "ECDHE-ECDSA-CHACHA20-POLY1305": "TLSv1.2",
        "ECDHE-ECDSA-AES128-SHA256": None,
        "ECDHE-ECDSA-AES256-SHA": None,
        "ECDHE-ECDSA-AES128-CCM8": None,
        "aNULL": None,
    }.items():
        assert speaks(ciphers, version.TLSv1_2, version.TLSv1_2) == expected, ciphers
    assert shown(node) == "listener"


def test_renegotiation(start_relays, good):
    (node,) = start_relays(1, tls=good)
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{node.port}", "-tls1_2"],
        input=b"R\n",
        capture_output=True,
        timeout=patience.SECONDS,
    )
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stderr


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("said", ["nothing", "half", "all but the end"])
def test_slow_handshakes_are_cut_off(start_relays, good, said):
    (node,) = start_relays(1, tls=good, handshake_seconds_max=1)
    hello = client_hello()
    with connect(node) as tcp:
        tcp.sendall({"nothing": b"", "half": hello[:100], "all but the end": hello}[said])
        read_until_closed(tcp)
    session = node.tls.wrap_socket(connect(node), server_hostname="localhost")
    session.sendall(b"GET /livez HTTP/1.1\r\nHost:")  # and then nothing more
    assert read_until_closed(session) == b""
    session.close()


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03", b"\x80" * 300])
def test_what_is_no_tls_is_cut_off(start_relays, good, said):
    (node,) = start_relays(1, tls=good, handshake_seconds_max=1)
    with connect(node) as tcp:
        tcp.sendall(said)
        answer = read_until_closed(tcp)
    assert answer == b"" or answer[0] == 21, "an alert of TLS, at most"
    assert node.get("/livez").status == 200
    assert "libwebsockets" not in node.log()
