"""Bodies of batches, and ways to spoil them: what a broken program or a hostile one might send."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import strategies as st

from tests.write_api.conftest import instrument, trade

_NUMBERS = itertools.count(1)
LONG = "x" * 50_000
DEEP = 5_000

WRONG_VALUES: st.SearchStrategy[Any] = st.sampled_from([
    None, True, 0, -1, 1.5, 1e308, 2**63, 2**64, 10**400, "", " ", "NaN", "-Infinity", "1e999",
    "1e-999", "9" * 400, "0." + "0" * 60 + "1", "\x00", "\u2028", "\U0001f4a9", LONG, [], {}, [[]],
    {"a": {}}, "2024-02-30", "0001-01-01", "9999-12-31", "2024-01-03T25:00:00Z", "buy", "AVERAGE",
])  # fmt: skip
RAW_VALUES = st.sampled_from([
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-", b"01", b"0x10", b"1" * 5_000, b'"\\ud800"',
    b'"\xff"', b'"\x00"', b"'single'", b"undefined", b"[" * DEEP, b"[" * 40 + b"]" * 40,
    b'{"a":' * 40 + b"1" + b"}" * 40, b'"' + b"a" * 60_000 + b'"', b"", b"/* */ 1", b"{}{}",
])  # fmt: skip
JUNK = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from([
        b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\n\n", b"\r", b"\x00", b",", b"[", b"]", b"{",
        b"}", b'"', b"\\", b"\x1a", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"null", b"\t",
    ]),
)  # fmt: skip


def drawn_item(kind: str) -> dict[str, Any]:
    """Give a good item with a name of its own."""
    number = next(_NUMBERS)
    if kind == "instruments":
        return instrument(f"FUZZ.{number:07}")
    return trade("FUZZ", external_id=f"fuzz-{number:07}", quantity="0.01", price="1")


WELL_FORMED = ("good", "good", "good", "refused", "repeated")
ANYHOW = (*WELL_FORMED, "good", "wrong", "raw", "missing", "unknown", "twice", "other")


@st.composite
def items(draw: st.DrawFn, kind: str, *, is_well_formed: bool = False) -> bytes:
    """Draw one item: good, or refused, or spoilt in one field or as a whole."""
    item = drawn_item(kind)
    way = draw(st.sampled_from(WELL_FORMED if is_well_formed else ANYHOW))
    name = draw(st.sampled_from(sorted(item)))
    match way:
        case "refused":
            item |= {"side": "sell", "quantity": "1e9"} if kind == "trades" else {"sector": "A"}
        case "wrong":
            item[name] = draw(WRONG_VALUES)
        case "raw":
            marked = json.dumps(item | {name: "@@"}).encode()
            return marked.replace(b'"@@"', draw(RAW_VALUES))
        case "missing":
            del item[name]
        case "unknown":
            item[draw(st.text(max_size=4))] = draw(WRONG_VALUES)
        case "twice":
            again = json.dumps({name: draw(WRONG_VALUES)})[1:-1]
            return json.dumps(item).encode()[:-1] + b"," + again.encode() + b"}"
        case "other":
            return draw(RAW_VALUES | st.sampled_from([b"null", b"7", b'"x"', b"[]", b"true"]))
        case "repeated":
            item |= {"external_id": "fuzz-same"} if kind == "trades" else {"instrument": "FUZZ.S"}
    return json.dumps(item).encode()


@st.composite
def bodies(draw: st.DrawFn, kind: str, *, as_lines: bool) -> bytes:
    """Draw a body: items as an array or as lines, then perhaps cut, spliced or scattered over."""
    is_well_formed = draw(st.booleans())
    each = items(kind, is_well_formed=is_well_formed)
    drawn = draw(st.lists(each, min_size=1, max_size=6))
    if as_lines:
        ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\n \t\n"])
        body = b"".join(item + draw(ends) for item in drawn)
    else:
        body = b"[" + draw(st.sampled_from([b",", b" , ", b",\r\n"])).join(drawn) + b"]"
    for _ in range(0 if is_well_formed else draw(st.sampled_from([0, 0, 0, 1, 1, 2, 4]))):
        body = draw(spoilt(body))
    return body


@st.composite
def spoilt(draw: st.DrawFn, body: bytes) -> bytes:
    """Draw one mutation of some bytes."""
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 40)))
    match draw(st.sampled_from(["cut", "drop", "repeat", "insert", "replace", "begin"])):
        case "cut":
            return body[:start]
        case "drop":
            return body[:start] + body[end:]
        case "repeat":
            return body[:end] + body[start:]
        case "insert":
            return body[:start] + draw(JUNK) + body[start:]
        case "replace":
            return body[:start] + draw(JUNK) + body[start + 1 :]
        case _:
            return draw(JUNK) + body
