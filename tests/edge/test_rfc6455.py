"""
RFC 6455 by the cases of the Autobahn test suite, by its numbers: what a client sends, and what the
edge must make of it. The fake mesh gives back what it gets (and refuses what is not UTF-8, as the
real one does).

A case that Autobahn would call NON-STRICT says why after `but`. Binary messages are not part of
this relay's protocol: wherever Autobahn has one echoed, it must end the connection with 1003.
(Compression, 12 and 13, must be declined: test_upgrade.py.)
"""

from typing import NamedTuple

import pytest
from client import BINARY, BROKEN, CLOSE, CONTINUATION, PING, PONG, TEXT, Client, Closed, frame
from conftest import Node

MEBI = 1 << 20
HELLO = b"Hello, world!"
NORMAL, BREACH, NO_BINARY, NOT_UTF8, TOO_LARGE = 1000, 1002, 1003, 1007, 1009
WHOLE, FRAMES, OCTETS = None, "frames", 1  # how it is cut into writes; or so many octets each


class Case(NamedTuple):
    number: str
    send: list
    receive: list  # messages, pongs
    close: int = NORMAL  # by whom it is: the client, after all has come, or else the edge
    chop: object = WHOLE
    but: str = ""

    def __str__(self):
        return self.number


def message(payload):
    return (TEXT, payload)


def pong(payload=b""):
    return (PONG, payload)


def text(payload=HELLO, **more):
    return frame(TEXT, payload, **more)


def ping(payload=b"", **more):
    return frame(PING, payload, **more)


def fragments(opcode, *parts):
    """A message in these, and no other."""
    last = len(parts) - 1
    return [
        frame(opcode if i == 0 else CONTINUATION, part, fin=i == last)
        for i, part in enumerate(parts)
    ]


def cut(payload, size):
    return [payload[at : at + size] for at in range(0, len(payload), size)]


def close(code=NORMAL, reason=b""):
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def echoed(number, payload, chop=WHOLE):
    return Case(number, [text(payload)], [message(payload)], chop=chop)


def no_binary(number, payload, chop=WHOLE):
    return Case(number, [frame(BINARY, payload)], [], NO_BINARY, chop)


def fails(number, *send, after=None, chop=WHOLE, code=BREACH):
    """Ends the connection; if something good came first, that is answered."""
    first = [text(after)] if after is not None else []
    answers = [message(after)] if after is not None else []
    return Case(number, [*first, *send], answers, code, chop)


SIZES = (0, 125, 126, 127, 128, 65535, 65536)
FRAMING = [
    *(echoed(f"1.1.{i}", b"*" * size) for i, size in enumerate(SIZES, 1)),
    echoed("1.1.8", b"*" * 65536, 997),
    *(no_binary(f"1.2.{i}", b"\xfe" * size) for i, size in enumerate(SIZES, 1)),
    no_binary("1.2.8", b"\xfe" * 65536, 997),
]

PAYLOADS = [b"payload-%d" % i for i in range(10)]
UNASKED = [frame(PONG, b"unsolicited pong payload"), ping(b"ping payload")]
PINGS = [
    Case("2.1", [ping()], [pong()]),
    Case("2.2", [ping(HELLO)], [pong(HELLO)]),
    Case("2.3", [ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")], [pong(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")]),
    Case("2.4", [ping(b"\xfe" * 125)], [pong(b"\xfe" * 125)]),
    fails("2.5", ping(b"\xfe" * 126)),
    Case("2.6", [ping(b"\xfe" * 125)], [pong(b"\xfe" * 125)], chop=OCTETS),
    Case("2.7", [frame(PONG)], []),
    Case("2.8", [frame(PONG, b"unsolicited pong payload")], []),
    Case("2.9", UNASKED, [pong(b"ping payload")]),
    Case("2.10", [ping(each) for each in PAYLOADS], [pong(each) for each in PAYLOADS]),
    Case("2.11", [ping(each) for each in PAYLOADS], [pong(each) for each in PAYLOADS], chop=OCTETS),
]

RESERVED_BITS = [
    fails("3.1", text(rsv=1)),
    fails("3.2", text(rsv=2), ping(), after=HELLO),
    fails("3.3", text(rsv=3), ping(), after=HELLO, chop=FRAMES),
    fails("3.4", text(rsv=4), ping(), after=HELLO, chop=OCTETS),
    fails("3.5", frame(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", rsv=5)),
    fails("3.6", ping(HELLO, rsv=6)),
    fails("3.7", frame(CLOSE, rsv=7)),
]

OPCODES = [
    case
    for group, opcodes in ((1, range(3, 8)), (2, range(11, 16)))
    for case in (
        fails(f"4.{group}.1", frame(opcodes[0])),
        fails(f"4.{group}.2", frame(opcodes[1], b"reserved opcode payload")),
        fails(f"4.{group}.3", frame(opcodes[2]), ping(), after=HELLO),
        fails(f"4.{group}.4", frame(opcodes[3], HELLO), ping(), after=HELLO),
        fails(f"4.{group}.5", frame(opcodes[4], HELLO), ping(), after=HELLO, chop=OCTETS),
    )
]

ONE, TWO = b"fragment1", b"fragment2"
PIECES = [b"fragment%d" % i for i in range(1, 6)]
LOST = frame(CONTINUATION, b"non-continuation payload")
LOST_OPEN = frame(CONTINUATION, b"non-continuation payload", fin=False)
BOTH = fragments(TEXT, ONE, TWO)
WITH_PING = [BOTH[0], ping(b"ping payload"), BOTH[1]]
PING_FIRST = [pong(b"ping payload"), message(ONE + TWO)]
FIVE = fragments(TEXT, *PIECES)
WITH_PINGS = [*FIVE[:2], ping(b"pongme 1!"), *FIVE[2:4], ping(b"pongme 2!"), FIVE[4]]
PINGS_FIRST = [pong(b"pongme 1!"), pong(b"pongme 2!"), message(b"".join(PIECES))]
FRAGMENTATION = [
    fails("5.1", ping(ONE, fin=False), frame(CONTINUATION, TWO)),
    fails("5.2", frame(PONG, ONE, fin=False), frame(CONTINUATION, TWO)),
    Case("5.3", BOTH, [message(ONE + TWO)]),
    Case("5.4", BOTH, [message(ONE + TWO)], chop=FRAMES),
    Case("5.5", BOTH, [message(ONE + TWO)], chop=OCTETS),
    Case("5.6", WITH_PING, PING_FIRST),
    Case("5.7", WITH_PING, PING_FIRST, chop=FRAMES),
    Case("5.8", WITH_PING, PING_FIRST, chop=OCTETS),
    fails("5.9", LOST, text()),
    fails("5.10", LOST, text(), chop=FRAMES),
    fails("5.11", LOST, text(), chop=OCTETS),
    fails("5.12", LOST_OPEN, text()),
    fails("5.13", LOST_OPEN, text(), chop=FRAMES),
    fails("5.14", LOST_OPEN, text(), chop=OCTETS),
    Case("5.15", [*BOTH, LOST_OPEN, text()], [message(ONE + TWO)], BREACH),
    fails("5.16", *[frame(CONTINUATION, ONE, fin=False), *BOTH] * 2),
    fails("5.17", *[frame(CONTINUATION, ONE), *BOTH] * 2),
    fails("5.18", text(ONE, fin=False), text(TWO)),
    Case("5.19", WITH_PINGS, PINGS_FIRST),
    Case("5.20", WITH_PINGS, PINGS_FIRST, chop=FRAMES),
]

GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
LATIN = "Hello-µ@ßöäüàá-UTF-8!!".encode()
BAD = [GREEK, b"\xf4\x90\x80\x80", b"edited"]
BAD_AT_ONCE = [(GREEK + b"\xf4"), b"\x90", b"\x80\x80edited"]
WHEN_WHOLE = "a message is judged when it is whole; it goes to nobody before"
UTF8 = [
    echoed("6.1.1", b""),
    Case("6.1.2", fragments(TEXT, b"", b"", b""), [message(b"")]),
    Case("6.1.3", fragments(TEXT, b"", b"middle frame payload", b""), [message(b"middle frame payload")]),
    echoed("6.2.1", LATIN),
    Case("6.2.2", fragments(TEXT, LATIN[:12], LATIN[12:]), [message(LATIN)]),
    Case("6.2.3", fragments(TEXT, *cut(LATIN, 1)), [message(LATIN)]),
    Case("6.2.4", fragments(TEXT, *cut(GREEK, 1)), [message(GREEK)]),
    fails("6.3.1", text(GREEK + b"\xed\xa0\x80edited"), code=NOT_UTF8),
    fails("6.3.2", *fragments(TEXT, *cut(GREEK + b"\xed\xa0\x80edited", 1)), code=NOT_UTF8),
    Case("6.4.1", fragments(TEXT, *BAD), [], NOT_UTF8, FRAMES, but=WHEN_WHOLE),
    Case("6.4.2", fragments(TEXT, *BAD_AT_ONCE), [], NOT_UTF8, FRAMES, but=WHEN_WHOLE),
    Case("6.4.3", [text(b"".join(BAD))], [], NOT_UTF8, 12, but=WHEN_WHOLE),
    Case("6.4.4", [text(b"".join(BAD))], [], NOT_UTF8, OCTETS, but=WHEN_WHOLE),
]

# Of https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt, by its chapters: 6.5 to 6.22.
CUT_SHORT = [
    *(b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80"),
    *(b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"),
]
NO_CHARACTERS = [
    bytes((first, second, 0xBF, last))
    for first in range(0xF0, 0xF5)
    for second in (0x8F, 0x9F, 0xAF, 0xBF)
    for last in (0xBE, 0xBF)
    if not (first == 0xF4 and second > 0x8F) and not (first == 0xF0 and second == 0x8F)
]


def spaced(first, last):
    return b"".join(bytes((byte, 0x20)) for byte in range(first, last))


def is_utf8(payload):
    try:
        payload.decode()
        return True
    except UnicodeDecodeError:
        return False


SEQUENCES = {
    5: [b"hello$world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world", GREEK],
    6: [GREEK[:size] for size in range(1, len(GREEK) + 1)],
    7: [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    8: [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    9: [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    10: [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    11: [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"],
    12: [
        *(b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf"),
        *(b"\x80\xbf\x80\xbf\x80", b"\x80\xbf\x80\xbf\x80\xbf", bytes(range(0x80, 0xBF))),
    ],
    13: [
        *(spaced(0xC0, 0xDF), spaced(0xE0, 0xEF), spaced(0xF0, 0xF7)),
        *(spaced(0xF8, 0xFB), spaced(0xFC, 0xFD)),
    ],
    14: CUT_SHORT,
    15: [b"".join(CUT_SHORT)],
    16: [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    17: [
        *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf"),
        *(b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"),
    ],
    18: [
        *(b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"),
        *(b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"),
    ],
    19: [
        *(b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"),
        *(b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"),
    ],
    20: [
        *(b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"),
        *(b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"),
    ],
    21: [
        *(b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xa0\x80\xed\xbf\xbf", b"\xed\xad\xbf\xed\xb0\x80"),
        *(b"\xed\xad\xbf\xed\xbf\xbf", b"\xed\xae\x80\xed\xb0\x80", b"\xed\xae\x80\xed\xbf\xbf"),
        *(b"\xed\xaf\xbf\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"),
    ],
    22: [b"\xef\xbf\xbe", b"\xef\xbf\xbf", *NO_CHARACTERS],
    23: [b"\xef\xbf" + bytes([last]) for last in range(0xB9, 0xC0)],
}
GOOD_CHAPTERS = (5, 7, 9, 22, 23)
BAD_CHAPTERS = (8, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)
assert all(is_utf8(each) for chapter in GOOD_CHAPTERS for each in SEQUENCES[chapter])
assert not any(is_utf8(each) for chapter in BAD_CHAPTERS for each in SEQUENCES[chapter])
UTF8 += [
    echoed(f"6.{chapter}.{i}", each) if is_utf8(each) else fails(f"6.{chapter}.{i}", text(each), code=NOT_UTF8)
    for chapter, sequences in SEQUENCES.items()
    for i, each in enumerate(sequences, 1)
]

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
BAD_REASON = GREEK + b"\xed\xa0\x80edited"
CLOSING = [
    Case("7.1.1", [text()], [message(HELLO)]),
    Case("7.1.2", [close(), frame(CLOSE)], []),
    Case("7.1.3", [close(), ping()], []),
    Case("7.1.4", [close(), text()], []),
    Case("7.1.5", [BOTH[0], close(), BOTH[1]], []),
    Case("7.3.1", [frame(CLOSE)], [], 1005),
    fails("7.3.2", frame(CLOSE, b"a")),
    Case("7.3.3", [close()], []),
    Case("7.3.4", [close(NORMAL, b"Hello World!")], []),
    Case("7.3.5", [close(NORMAL, b"*" * 123)], []),
    fails("7.3.6", close(NORMAL, b"*" * 124)),
    fails("7.5.1", close(NORMAL, BAD_REASON), code=NOT_UTF8),
    *(Case(f"7.7.{i}", [close(code)], [], code) for i, code in enumerate(GOOD_CODES, 1)),
    *(fails(f"7.9.{i}", close(code)) for i, code in enumerate(BAD_CODES, 1)),
    fails("7.13.1", close(5000)),
    fails("7.13.2", close(65535)),
]

FOUR_MEBI = b"BAsd7&jh23" * (4 * MEBI // 10) + b"BAsd7&"[: 4 * MEBI % 10]
KIBI_TO_MEBI = (64 << 10, 256 << 10, MEBI, 4 * MEBI, 8 * MEBI, 16 * MEBI)
PIECE_SIZES = (64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, MEBI, 4 * MEBI)
CHOPS = (64, 128, 256, 512, 1024, 2048)
COUNTED = (0, 16, 64, 256, 1024, 4096)


def in_pieces(opcode, size):
    return fragments(opcode, *cut(FOUR_MEBI, size))


LIMITS = [
    *(echoed(f"9.1.{i}", b"*" * size) for i, size in enumerate(KIBI_TO_MEBI, 1)),
    *(no_binary(f"9.2.{i}", b"\xfe" * size) for i, size in enumerate(KIBI_TO_MEBI, 1)),
    *(
        Case(f"9.3.{i}", in_pieces(TEXT, size), [message(FOUR_MEBI)])
        for i, size in enumerate(PIECE_SIZES, 1)
    ),
    *(
        Case(f"9.4.{i}", in_pieces(BINARY, size), [], NO_BINARY)
        for i, size in enumerate(PIECE_SIZES, 1)
    ),
    *(echoed(f"9.5.{i}", b"*" * MEBI, chop) for i, chop in enumerate(CHOPS, 1)),
    *(no_binary(f"9.6.{i}", b"\xfe" * MEBI, chop) for i, chop in enumerate(CHOPS, 1)),
    *(
        Case(f"9.7.{i}", [text(b"*" * size)] * 1000, [message(b"*" * size)] * 1000, chop=FRAMES)
        for i, size in enumerate(COUNTED, 1)
    ),
    *(no_binary(f"9.8.{i}", b"\xfe" * size) for i, size in enumerate(COUNTED, 1)),
    fails("one octet too many", frame(TEXT, b"*" * 16 * MEBI + b"*"), code=TOO_LARGE),
    Case("10.1.1", fragments(TEXT, *cut(b"*" * 65536, 1300)), [message(b"*" * 65536)]),
]

CASES = [
    *(FRAMING + PINGS + RESERVED_BITS + OPCODES),
    *(FRAGMENTATION + UTF8 + CLOSING + LIMITS),
]


@pytest.fixture(scope="module")
def port():
    node = Node("--echo", "--message-bytes-max", 16 * MEBI, "--outbox-bytes-max", 64 * MEBI)
    yield node.port
    node.stop()


def send(client, case):
    """In the writes that the case asks for; the other side may have closed meanwhile."""
    writes = case.send if case.chop == FRAMES else [b"".join(case.send)]
    if isinstance(case.chop, int):
        writes = cut(writes[0], case.chop)
    try:
        for write in writes:
            client.send_bytes(write)
    except BROKEN:
        assert case.close != NORMAL


def receive_all(client, case):
    """All that comes until the other side closes; who has to, closes when nothing is missing."""
    received, parts = [], []
    closes = case.close == NORMAL and not any(each[0] & 15 == CLOSE for each in case.send)
    while True:
        if closes and len(received) == len(case.receive):
            client.send_bytes(close())
            closes = False
        opcode, fin, payload = client.receive_frame()
        if opcode == CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else 1005
            return received, code
        if opcode in (TEXT, CONTINUATION):
            parts.append(payload)
            if fin:
                received.append(message(b"".join(parts)))
                parts.clear()
        elif opcode == PONG:
            received.append(pong(payload))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(port, case):
    """F15, F16, F17, F18."""
    with Client(port) as client:
        client.answers_pings = False
        send(client, case)
        received, code = receive_all(client, case)
        assert received == case.receive
        assert code == case.close
        with pytest.raises((Closed, *BROKEN)):  # and then nothing more
            client.send_bytes(frame(CLOSE, code.to_bytes(2, "big")))
            client.receive_frame()
