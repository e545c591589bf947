"""
The relay forwards the bytes that it received: no member is reordered, no number rewritten, no
escape resolved, no white space lost.
"""

import json
import random

import pytest

from harness.client import fence

CURIOUS = {
    "white space": '{ "type" :\t"own" ,\r\n "from":"alice" , "data" : [ 1 , 2 ] }',
    "around": ' \n\t{"type":"own","from":"alice"}\r\n ',
    "escapes": '{"type":"own","from":"alice","data":"\\u00e9\\/\\b\\f\\n\\r\\t\\"\\\\"}',
    "unescaped": '{"type":"own","from":"alice","data":"é/€😀\u2028\u007f"}',
    "surrogate pair": '{"type":"own","from":"alice","data":"\\uD83D\\uDE00"}',
    "lone surrogate in data": '{"type":"own","from":"alice","data":"\\ud83d"}',
    "NUL in data": '{"type":"own","from":"alice","data":"\\u0000"}',
    "numbers": '{"type":"own","from":"alice","data":[1.0,1e2,1E+2,-0,-0.0,1e-999,1e999,0.10]}',
    "long number": '{"type":"own","from":"alice","data":%s}' % ("9" * 400),
    "big integer": '{"type":"own","from":"alice","data":12345678901234567890123}',
    "member order": '{"z":1,"data":{"b":1,"a":2},"from":"alice","a":2,"type":"own"}',
    "members of others": '{"type":"own","from":"alice","timestamp":"now","turnId":{},"x":null}',
    "twice elsewhere": '{"type":"own","from":"alice","x":1,"x":2,"data":{"type":1,"type":2}}',
    "data twice": '{"type":"own","from":"alice","data":1,"data":2}',
    "escaped names": '{"t\\u0079pe":"own","from":"alice","dat\\u0061":1}',
    "escaped type": '{"type":"\\u006fwn","from":"alice"}',
    "empty names": '{"":"","type":"own","from":"alice"}',
    "prototype": '{"__proto__":{"from":"bob"},"type":"own","from":"alice","constructor":1}',
    "deep": '{"type":"own","from":"alice","data":' + '{"a":' * 63 + "1" + "}" * 63 + "}",
    "null data": '{"type":"own","from":"alice","data":null,"to":null,"targetInstanceId":null}',
    "noncharacters": '{"type":"own","from":"alice","data":"\ufffe\uffff\U0010ffff"}',
    "combining": '{"type":"own","from":"alice","data":"e\u0301 \u00e9"}',
    "html": '{"type":"own","from":"alice","data":"</script><!--"}',
    "many members": '{"type":"own","from":"alice",%s}'
    % ",".join(f'"m{n}":{n}' for n in range(5000)),
    "long name": '{"type":"own","from":"alice","%s":1}' % ("n" * 10_000),
}


@pytest.mark.parametrize("text", CURIOUS.values(), ids=CURIOUS.keys())
async def test_curious_but_valid(here, there, text):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send_text(text)
    await fence(alice, bob)
    assert [m.text for m in bob.all(type="own")] == [text]
    assert alice.all(type="error") == []


async def test_a_direct_is_untouched_too(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    text = '{"to" : "b\\u006fb","type":"direct","from":"alice","data":{"é":1e1}, "n":[]}'
    await alice.send_text(text)
    assert (await bob.expect(type="direct")).text == text


async def test_whatever_a_generator_makes_up(here, there):
    """Random values, written in random spellings."""
    alice, bob = await here.join("alice"), await there.join("bob")
    chance = random.Random(20)
    texts = [spell_message(chance) for _ in range(300)]
    for text in texts:
        await alice.send_text(text)
    await fence(alice, bob)
    assert [m.text for m in bob.all(type="own")] == texts


def spell_message(chance):
    members = ['"type":"own"', '"from":"alice"']
    for n in range(chance.randrange(6)):
        members.append(f'"m{n}"{space(chance)}:{spell(chance, 4)}')
    chance.shuffle(members)
    return "{" + (space(chance) + ",").join(members) + space(chance) + "}"


def space(chance):
    return "".join(chance.choice(" \t\r\n") for _ in range(chance.randrange(3)))


def spell(chance, depth):
    kind = chance.randrange(7 if depth else 5)
    if kind == 0:
        return chance.choice(["true", "false", "null"])
    if kind == 1:
        return repr(chance.choice([0, -1, 1.5e300, 0.1, 10**20, -0.0]))
    if kind == 2:
        return "%s%d.%03de%+d" % (chance.choice(["", "-"]), chance.randrange(99), 5, 7)
    if kind in (3, 4):
        text = "".join(chance.choice('aé€😀\\"\n/\u0000 ') for _ in range(chance.randrange(12)))
        return json.dumps(text, ensure_ascii=chance.random() < 0.5)
    inside = [space(chance) + spell(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 5:
        return "[" + ",".join(inside) + "]"
    return "{" + ",".join(f'"k{n}":{item}' for n, item in enumerate(inside)) + "}"
