"""How answers are delivered: formats, chosen fields, tags of what was answered before.

Done once, around every query: an endpoint answers one JSON document; here its list becomes a file
of the whole table, its items keep only the fields asked for, and what has not changed is not sent.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, BinaryIO, Literal, NamedTuple

import msgspec
from starlette.responses import Response, StreamingResponse

from gateway.interface import Call, Endpoint
from gateway.openapi import Answer
from gateway.problem import Problem
from projections.asking import Seen, State
from projections.reading import Sitting
from read_api.asking import SITTING, Asked, Asking
from read_api.choosing import FIELDS_PATTERN, chosen_fields, item_kind, kept, row_kind
from read_api.exported import ArrowWriter, CsvWriter, Inexact, Writer, columns_of
from read_api.negotiation import MEDIA_TYPES, Format, negotiated
from read_api.ordering import IDENTITIES, Ordering
from read_api.parameters import sort_meta
from read_api.shaping import Shaped, ShapedOne, ShapedPage

EXPORT_ROWS_MAX = 1_000_000
EXPORTS_MAX = 2
STATES_MAX = 8
CHUNK_BYTES = 1 << 16
BYTES_AT_ONCE_MAX = 1 << 15
"""What is larger is finished in a thread: the event loop is everybody's."""

POSITION_HEADERS = {"position": "PMS-Position", "market_position": "PMS-Market-Position"}
HEADERS = {
    "PMS-Position": "The log position all of it is of.",
    "PMS-Market-Position": "The last position of the tenant `market` within it.",
    "ETag": "What was answered: give it as `If-None-Match` to hear only of a change.",
    "Cache-Control": "Only your own cache may keep it, and has to ask whether it still holds.",
    "Vary": "The headers of the request that the answer depends on.",
}
TOLD_BY_CLOCK = frozenset({"list_overrides"})
"""What changes without an event: no state of tables says that the answer is still the same."""

_DIGEST_LENGTH = 16
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_TAG_PARTS = re.compile(
    rf"([a-z0-9_:.\-]*)~([0-9a-f]{{{_DIGEST_LENGTH}}})~([0-9a-f]{{{_DIGEST_LENGTH}}})"
)
_POSITIONS_FIRST = re.compile(rb'\{"position":([0-9]+),"market_position":([0-9]+),')
_STATE = re.compile(r"([a-z][a-z0-9_]{0,62}):([0-9]{1,18}):([0-9]{1,9})")


class SparsePage(ShapedPage, frozen=True):
    """A page of items that have only the fields asked for."""

    items: tuple[dict[str, Any], ...]


class SparseOne(ShapedOne, frozen=True):
    """One item that has only the fields asked for."""

    item: dict[str, Any]


class Tag(NamedTuple):
    """A weak entity tag: the states of the tables it was made of, and what the answer held.

    The states alone tell that nothing can have changed; the content that nothing has.
    """

    states: str
    content: str

    def text(self, question: str) -> str:
        """Write it for the one question it belongs to."""
        return f'W/"{self.states}~{self.content}~{_digest(f"{question}{self}".encode())}"'


def read_tags(header: str, question: str) -> list[Tag]:
    """Give the tags of an If-None-Match that belong to a question."""
    found = [_TAG_PARTS.fullmatch(text) for text in _TAG.findall(header)]
    tags = [(Tag(part[1], part[2]), part[3]) for part in found if part is not None]
    return [tag for tag, check in tags if check == _digest(f"{question}{tag}".encode())]


def write_states(seen: Seen) -> str:
    """Write states down, in one order; nothing where there are too many for a header."""
    if len(seen) > STATES_MAX:
        return ""
    return ".".join(f"{name}:{at.position}:{at.edition}" for name, at in sorted(seen.items()))


def read_states(text: str) -> Seen:
    """Read states back; none of them where the text is not what was written."""
    parts = [_STATE.fullmatch(part) for part in text.split(".")]
    return {part[1]: State(int(part[2]), int(part[3])) for part in parts if part is not None}


class Delivery:
    """Puts delivery around endpoints, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._exports = 0

    def delivered(self, endpoint: Endpoint) -> Endpoint:
        """Give an endpoint that can be asked for tags, and if it lists, for fields and formats."""
        answer = endpoint.answers[0]
        asked, kind = endpoint.parameters, answer.kinds.get("application/json")
        if asked is None or not issubclass(asked, Asked) or "ETag" in answer.headers:
            return endpoint
        row = row_kind(kind)
        media = dict(answer.kinds)
        problems = endpoint.problems
        item = item_kind(kind)
        if item is not None:
            asked = _with_delivery(asked, is_list=False)
            media = {"application/json": (kind, SparseOne)}
        ordering: Ordering | None = None
        if row is not None:
            if endpoint.name in IDENTITIES:
                ordering = Ordering(endpoint, kind, row, self._asking)
                problems += ("sort_too_long",)
            asked = _with_delivery(asked, is_list=True, ordering=ordering)
            media = {"application/json": (kind, SparsePage), "text/csv": str}
            media |= {MEDIA_TYPES[each]: bytes for each in (Format.PARQUET, Format.ARROW)}
            problems += ("not_acceptable", "export_inexact", "export_too_long", "too_many_requests")
        unchanged = Answer(304, "It is as `If-None-Match` says.", {}, HEADERS)
        return endpoint._replace(
            handle=partial(self._answer, endpoint, kind, row, item, ordering),
            parameters=asked,
            answers=(answer._replace(kinds=media, headers=HEADERS), unchanged),
            problems=problems,
        )

    async def _answer(
        self,
        endpoint: Endpoint,
        kind: Any,  # noqa: ANN401
        row: type[Shaped] | None,
        item: type[Shaped] | None,
        ordering: Ordering | None,
        call: Call,
    ) -> Response:
        form = Format.JSON if row is None else negotiated(call)
        named = row or item
        names = None if named is None else chosen_fields(call.parameters.fields, named)
        question = f"{call.principal.tenant} {call.request.url.path} {form} "
        question += call.request.scope["query_string"].decode("latin-1")
        header = call.request.headers.get("if-none-match", "")
        tags = read_tags(header, question)
        for tag in tags:
            if await self._stands(read_states(tag.states), call.parameters.min_position):
                return _unchanged(tag, question, read_states(tag.states))
        if ordering is not None and call.parameters.sort is None:
            ordering = None
        sitting = Sitting()
        reset = SITTING.set(sitting)
        try:
            if form is not Format.JSON and row is not None:
                told = await self._file(endpoint, kind, row, names, form, ordering, call)
            elif ordering is not None:
                told = await ordering.answer(call)
            else:
                told = await endpoint.handle(call)
        finally:
            SITTING.reset(reset)
        states = "" if endpoint.name in TOLD_BY_CLOCK else write_states(sitting.seen)
        content = _digest(states.encode())
        if form is Format.JSON:
            finish = partial(_finish, told, names)
            is_large = len(told.body) > BYTES_AT_ONCE_MAX
            content = await self._asking.in_thread(finish) if is_large else finish()
        tag = Tag(states, content)
        told.headers["ETag"] = tag.text(question)
        told.headers["Cache-Control"] = "private, no-cache"
        told.headers["Vary"] = "Accept, Authorization"
        is_known = any(each.content == content for each in tags) or header.strip() == "*"
        if is_known and form is Format.JSON:
            headers = {name: told.headers[name] for name in HEADERS if name in told.headers}
            return Response(status_code=304, headers=headers)
        return told

    async def _stands(self, seen: Seen, wanted: int) -> bool:
        """Tell whether tables are still what an answer was made of, and as far as is wanted."""
        if not seen or min(state.position for state in seen.values()) < wanted:
            return False
        return await self._asking.states(seen) == seen

    async def _file(
        self,
        endpoint: Endpoint,
        kind: Any,  # noqa: ANN401
        row: type[Shaped],
        names: tuple[str, ...] | None,
        form: Format,
        ordering: Ordering | None,
        call: Call,
    ) -> Response:
        """Write the whole table to a file of its own, then send that."""
        for name in ("cursor", "limit"):
            if name in call.request.query_params:
                raise Problem(
                    "parameter_invalid",
                    f"A file is of the whole table: leave {name} out.",
                    fields=(name,),
                )
        if self._exports >= EXPORTS_MAX:
            raise Problem(
                "too_many_requests",
                f"{EXPORTS_MAX} files are being written; ask again shortly.",
                headers={"Retry-After": "1"},
            )
        self._exports += 1
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is sent
        try:
            async with self._asking.one_snapshot():
                headers = await self._written(
                    endpoint, kind, columns_of(row, names), form, ordering, call, file
                )
        except BaseException:
            file.close()
            raise
        finally:
            self._exports -= 1
        name = f"{endpoint.name}.{form}"
        headers |= {
            "Content-Length": str(file.tell()),
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        file.seek(0)
        return StreamingResponse(_chunks(file), headers=headers, media_type=MEDIA_TYPES[form])

    async def _written(
        self,
        endpoint: Endpoint,
        kind: Any,  # noqa: ANN401
        columns: Any,  # noqa: ANN401
        form: Format,
        ordering: Ordering | None,
        call: Call,
        file: BinaryIO,
    ) -> dict[str, str]:
        """Write page by page, a page in memory; give the headers of the positions.

        What is sorted here is in memory whole, and written at once.
        """
        decoder = msgspec.json.Decoder(kind)
        writer: Writer | None = None
        rows = 0
        cursor: str | None = None
        while True:
            if ordering is None:
                page = await self._asking.page(endpoint, call, cursor, decoder)
                items: Sequence[Shaped] = page.items
                cursor = getattr(page, "next_cursor", None)
            else:
                page, items = await ordering.whole(call)
            headers = {
                text: str(getattr(page, name))
                for name, text in POSITION_HEADERS.items()
                if hasattr(page, name)
            }
            if writer is None:
                writer = await self._asking.in_thread(
                    partial(_writer, file, columns, form, headers)
                )
            rows += len(items)
            if rows > EXPORT_ROWS_MAX:
                raise Problem(
                    "export_too_long",
                    f"Ask for less: at most {EXPORT_ROWS_MAX:,} rows are written to one file.",
                )
            try:
                await self._asking.in_thread(partial(writer.write, items))
            except Inexact as inexact:
                raise _inexact(inexact.column) from None
            if cursor is None or await call.request.is_disconnected():
                await self._asking.in_thread(writer.close)
                return headers


def _with_delivery(
    asked: type[Asked], *, is_list: bool, ordering: Ordering | None = None
) -> type[Asked]:
    """Add to a struct of parameters what every item can be asked, and every list."""
    fields = Annotated[
        str,
        msgspec.Meta(
            pattern=FIELDS_PATTERN,
            max_length=2_000,
            description="Only these fields of each item, with commas between; one within another "
            "is named with a dot.",
        ),
    ]
    form = Annotated[
        Literal["json", "csv", "parquet", "arrow"],
        msgspec.Meta(description="The format, whatever is accepted; a file is of the whole table."),
    ]
    added = [("fields", fields | None, None), ("format", form | None, None)]
    sort = [] if ordering is None else [("sort", _sort_of(ordering) | None, None)]
    made = msgspec.defstruct(
        asked.__name__,
        [*sort, *added] if is_list else added[:1],
        bases=(asked,),
        kw_only=True,
        forbid_unknown_fields=True,
        module=asked.__module__,
    )
    assert issubclass(made, Asked), "it has the bases that were given"
    return made


def _sort_of(ordering: Ordering) -> Any:  # noqa: ANN401 - a form that has a description
    return Annotated[str, sort_meta(ordering.fields)]


def _finish(told: Response, names: tuple[str, ...] | None) -> str:
    """Name the positions in headers, keep the fields asked for; give a digest of what it holds."""
    first = _POSITIONS_FIRST.match(told.body)
    if names is None and first is not None:  # Nothing has to be read of a long body.
        for text, position in zip(POSITION_HEADERS.values(), first.groups(), strict=True):
            told.headers[text] = position.decode()
        return _digest(memoryview(told.body)[first.end() :])
    parts = msgspec.json.decode(told.body, type=dict[str, msgspec.Raw])
    for name, text in POSITION_HEADERS.items():
        if name in parts:
            told.headers[text] = bytes(parts[name]).decode()
    if names is not None:
        parts = kept(parts, names)
        told.body = msgspec.json.encode(parts)
        told.headers["Content-Length"] = str(len(told.body))
    held = b"".join(bytes(part) for name, part in parts.items() if name not in POSITION_HEADERS)
    return _digest(held)


def _unchanged(tag: Tag, question: str, seen: Seen) -> Response:
    headers = {
        "ETag": tag.text(question),
        "PMS-Position": str(min(state.position for state in seen.values())),
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Authorization",
    }
    return Response(status_code=304, headers=headers)


def _writer(file: BinaryIO, columns: Any, form: Format, positions: Mapping[str, str]) -> Writer:  # noqa: ANN401
    if form is Format.CSV:
        return CsvWriter(file, columns)
    return ArrowWriter(file, columns, dict(positions), is_parquet=form is Format.PARQUET)


def _inexact(column: str) -> Problem:
    detail = (
        f"{column} holds a value that decimal128(38, 12) cannot; ask for CSV, or for other fields."
    )
    return Problem("export_inexact", detail, fields=(column,))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _digest(text: bytes | memoryview) -> str:
    # Processors have instructions for SHA-256: it takes half of what BLAKE2b does.
    return hashlib.sha256(text).hexdigest()[:_DIGEST_LENGTH]
