"""Frames of STOMP 1.2: read and written (https://stomp.github.io/stomp-specification-1.2.html)."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from read_api.live.dialect import malformed

HEADERS_MAX = 64
NAMES_MAX = 10_000

# The specification leaves these as they are, for old clients.
_UNESCAPED = frozenset({"CONNECT", "STOMP", "CONNECTED"})
_ESCAPED = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"}
_READ = {escape: character for character, escape in _ESCAPED.items()}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_TABLE = str.maketrans(_ESCAPED)


class Frame(NamedTuple):
    """A frame; of a header that is repeated the first one counts."""

    command: str
    headers: Mapping[str, str]
    body: bytes = b""


def frames(data: bytes) -> Iterator[Frame]:
    """Read the frames of one message; ends of line between them are heart-beats.

    Raises:
        Problem: they are not well-formed, or the message ends within one.
    """
    at = 0
    while True:
        while data[at : at + 1] in {b"\n", b"\r"}:
            at += 1
        if at == len(data):
            return
        frame, at = _frame(data, at)
        yield frame


def _frame(data: bytes, start: int) -> tuple[Frame, int]:
    command, at = _line(data, start)
    headers: dict[str, str] = {}
    while True:
        line, at = _line(data, at)
        if not line:
            break
        name, colon, value = line.partition(":")
        if not colon or not name or len(headers) >= HEADERS_MAX:
            raise malformed(f"A header is `name:value`, and there are at most {HEADERS_MAX}.")
        if command not in _UNESCAPED:
            if ":" in value:
                raise malformed("A colon within a header is written `\\c`.")
            name, value = _unescaped(name), _unescaped(value)
        headers.setdefault(name, value)
    length = headers.get("content-length")
    if length is None:
        end = data.find(b"\0", at)
    elif length.isascii() and length.isdigit():
        end = at + int(length[:10])
    else:
        raise malformed("The header content-length is a number of bytes.")
    if end < 0 or data[end : end + 1] != b"\0":
        raise malformed("A frame ends with a NUL, and lies within one message.")
    return Frame(command, headers, data[at:end]), end + 1


def _line(data: bytes, start: int) -> tuple[str, int]:
    end = data.find(b"\n", start)
    if end < 0:
        raise malformed("A frame is a command, headers, an empty line, a body and a NUL.")
    try:
        return data[start:end].removesuffix(b"\r").decode(), end + 1
    except UnicodeDecodeError:
        raise malformed("Commands and headers are UTF-8.") from None


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return _ESCAPE.sub(lambda found: _READ[found.group()], text)
    except KeyError:
        raise malformed("Only \\r, \\n, \\c and \\\\ are escapes in a header.") from None


@lru_cache(maxsize=NAMES_MAX)
def escaped(text: str) -> str:
    """Write a header's name or value: the same are written in frame after frame."""
    return text.translate(_TABLE)


def written(command: str, headers: Mapping[str, str], body: str = "") -> str:
    """Write a frame; its body is text that is sent as UTF-8 and holds no NUL."""
    lines = (f"{escaped(name)}:{escaped(value)}\n" for name, value in headers.items())
    return f"{command}\n{''.join(lines)}\n{body}\0"
