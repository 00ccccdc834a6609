"""Values that are no JSON, too much of it, or JSON that only some parsers take."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Final

from tests.fuzz.case import SECRET, Codec, Draft, Expect, Raw, dumped

LIMIT: Final = 256 * 1024
"""What the lane takes of one batch."""
ROOM: Final = 2048
"""Left for key, headers and framing."""
NO_NUMBERS: Final = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "1_000", "01", "+1", ".5", "1.", "--1")
NUMBERS: Final = ("9" * 5000, "-" + "9" * 400, "1e308", "1e-999", "-0", "0.1e1")
HEADER_NAMES: Final = (b"content-type", b"ce_id", b"ce_type", b"ce_source", b"ce_specversion", b"ce_time", b"x")


def random_bytes(dice: Random) -> Raw:
    """Random bytes everywhere, at times under the names of real headers."""

    def some(most: int) -> bytes | None:
        return dice.randbytes(dice.randrange(most)) if dice.random() < 0.85 else None

    headers = tuple((dice.choice(HEADER_NAMES), some(40)) for _ in range(dice.randrange(7)))
    return Raw(some(60), some(400), headers)


def random_value(dice: Random) -> Raw:
    """Random bytes as the value of a record that is right otherwise."""
    value = b"\xff" + dice.randbytes(dice.randrange(2000))
    return replace(Draft.fresh(dice), expect=Expect.REFUSED).binary(value)


def truncated(dice: Random) -> Raw:
    """A valid value that breaks off."""
    raw = Draft.fresh(dice).either_mode(dice)
    assert raw.value
    return replace(raw, value=raw.value[: dice.randrange(len(raw.value))], expect=Expect.REFUSED)


def flipped(dice: Random) -> Raw:
    """A valid value in which a few bytes are others."""
    raw = Draft.fresh(dice).either_mode(dice)
    value = bytearray(raw.value or b"")
    most = dice.choice([128, 256])
    for _ in range(dice.randrange(1, 4)):
        value[dice.randrange(len(value))] = dice.randrange(most)
    return replace(raw, value=bytes(value), expect=Expect.EITHER)


def wrong_encoding(dice: Random) -> Raw:
    """Valid JSON in another encoding, or after a byte order mark."""
    raw = replace(Draft.fresh(dice), expect=Expect.REFUSED).either_mode(dice)
    text = (raw.value or b"").decode()
    encodings = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037")
    return replace(raw, value=text.encode(dice.choice(encodings)))


def nothing(dice: Random) -> Raw:
    """No value, an empty one, or neither key nor value."""
    draft = replace(Draft.fresh(dice), expect=Expect.REFUSED)
    raw = draft.binary()
    match dice.randrange(4):
        case 0:
            return replace(raw, value=None)
        case 1:
            return replace(raw, value=b"")
        case 2:
            return replace(raw, key=None, value=None)
        case _:
            return Raw(None, None, ())


def other_documents(dice: Random) -> Raw:
    """JSON that is no object, or more than one document, or JSON with what only people write."""
    draft = replace(Draft.fresh(dice), expect=Expect.REFUSED)
    whole = dumped(draft.data)
    wrong = (b"null", b"true", b"7", b'"x"', b"[]", b"{}", b"[[[]]]", whole + whole, whole + b",", b"[" + whole + b"]")
    written = (whole.replace(b'"', b"'"), b"/* */" + whole, whole + b"\x00", whole[:-1] + b",}", b"\x1e" + whole)
    raw = draft.binary(dice.choice([*wrong, *written]))
    if dice.random() < 0.3:
        return replace(raw, headers=((b"content-type", b"application/cloudevents+json"),))
    return raw


def deep(dice: Random) -> Raw:
    """Brackets in brackets, up to 100 000 deep, alone or inside a field."""
    depth = dice.choice([50, 127, 129, 200, 1000, 10_000, 30_000, 100_000])
    opening, closing = dice.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'{"article":', b"}"), (b'{"data":', b"}")])
    nest = opening * depth + b"1" + (closing * depth if dice.random() < 0.8 else b"")
    draft = replace(Draft.fresh(dice), expect=Expect.REFUSED)
    if dice.random() < 0.5:
        nest = dumped(draft.data)[:-1] + b', "article": ' + nest + b"}"
    raw = draft.binary(nest[: LIMIT - ROOM])
    if dice.random() < 0.3:
        return replace(raw, headers=((b"content-type", b"application/cloudevents+json"),))
    return raw


def numbers(dice: Random) -> Raw:
    """Numbers that JSON does not have, and numbers that no machine holds."""
    field = dice.choice(['"revision"', '"width"', '"steps"', '"guidance_scale"', '"seed"', '"variants"', '"unknown"'])
    number = dice.choice([*NO_NUMBERS, *NUMBERS])
    draft = Draft.fresh(dice)
    home = {'"revision"': "article", '"width"': "output", '"variants"': "output"}.get(field, "generation")
    members = json.dumps(draft.data[home])[:-1] + f", {field}: {number}}}"
    value = json.dumps(draft.data)[:-1] + f', "{home}": {members}}}'
    # `1e999` is JSON, and where nobody asks for the number nobody minds.
    allowed = number in NUMBERS or ("e999" in number and field == '"unknown"')
    expect = Expect.EITHER if allowed else Expect.REFUSED
    return replace(draft, expect=expect).binary(value.encode())


def huge(dice: Random) -> Raw:
    """A value from just over the contract's limit to all that the topic takes."""
    size = dice.choice([65_536, 65_537, 100_000, 200_000, LIMIT - ROOM])
    draft = Draft.fresh(dice)
    data = {**draft.data, "padding": SECRET}
    short = size - len(dumped(data))
    data["padding"] += "x" * short
    expect = Expect.READY if size <= 65_536 else Expect.REFUSED
    return replace(draft, data=data, expect=expect).binary()


def swelling(dice: Random) -> Raw:
    """A small batch that grows to megabytes when it is unpacked: the broker's limit counts packed bytes."""
    codec = dice.choice([Codec.GZIP, Codec.LZ4, Codec.ZSTD])
    draft = Draft.fresh(dice)
    value = dumped({**draft.data, "padding": "x" * dice.randrange(300_000, 6_000_000)})
    return replace(replace(draft, expect=Expect.REFUSED).binary(value), codec=codec)
