"""CSV files, plain or gzip, row by row with line numbers; what is broken is a fault, not an end.

The whole file is read and hashed before the first row is used, so a damaged archive stops an import
before it begins. A column is meant by its header, or by its number as in `#3` (from 1).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, cast

from infra.errors import OperatorError

CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


class Fault(NamedTuple):
    """What is wrong at a line: a stable code, and what to do."""

    line: int
    code: str
    message: str


class Row(NamedTuple):
    """The fields wanted of one row; a column the file does not have is not in there."""

    line: int
    fields: dict[str, str]


class CsvFile:
    """A CSV file with a header; `columns` maps each wanted field to the index of its column."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256, self.lines = _survey(path)
        self.header = self._read_header()
        self.columns: dict[str, int] = {}

    @property
    def stem(self) -> str:
        """The file's name up to its first dot."""
        return self.path.name.split(".", 1)[0]

    def choose(self, given: Mapping[str, str], usual: Mapping[str, tuple[str, ...]]) -> None:
        """Choose a column for each field: the one given, else the first usual one there is.

        Raises:
            OperatorError: a given column is not there.
        """
        for field, names in usual.items():
            wanted = given.get(field)
            if wanted is not None:
                self.columns[field] = self._index(wanted)
                continue
            found = next((name for name in names if name in self._names), None)
            if found is not None:
                self.columns[field] = self._names.index(found)

    def require(self, *fields: str) -> None:
        """Make sure that columns were found for some fields.

        Raises:
            OperatorError: one was not; the message names the option that says which it is.
        """
        for field in fields:
            if field not in self.columns:
                raise OperatorError(
                    f"{self.path.name}: no column for the {field.replace('_', ' ')} among "
                    f"{', '.join(repr(name) for name in self.header)}. "
                    f"Name it: --column {field}=NAME"
                )

    def told(self) -> str:
        """Say which column is read as what."""
        return ", ".join(
            f"{field.replace('_', ' ')} from {self.header[index] or f'column {index + 1}'}"
            for field, index in self.columns.items()
        )

    def rows(self) -> Iterator[Row | Fault]:
        """Give the rows after the header, in order; blank lines are skipped."""
        wanted = tuple(self.columns.items())
        width = len(self.header)
        with _opened(self.path) as file:
            reader = csv.reader(_text(file), strict=True)
            next(reader)
            while True:
                try:
                    values = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Fault(reader.line_num, "row_malformed", f"This is not CSV: {error}.")
                    continue
                if not values:
                    continue
                if len(values) != width:
                    message = f"The row has {len(values)} columns, the header {width}."
                    yield Fault(reader.line_num, "row_malformed", message)
                    continue
                yield Row(
                    reader.line_num, {field: values[index].strip() for field, index in wanted}
                )

    @property
    def _names(self) -> list[str]:
        return [name.strip().lower() for name in self.header]

    def _index(self, wanted: str) -> int:
        if wanted.startswith("#") and wanted[1:].isdigit():
            index = int(wanted[1:]) - 1
            if 0 <= index < len(self.header):
                return index
        elif wanted.strip().lower() in self._names:
            return self._names.index(wanted.strip().lower())
        raise OperatorError(
            f"{self.path.name} has no column {wanted!r}; it has "
            f"{', '.join(repr(name) for name in self.header)}."
        )

    def _read_header(self) -> list[str]:
        with _opened(self.path) as file:
            try:
                return next(csv.reader(_text(file), strict=True))
            except (StopIteration, csv.Error) as error:
                raise OperatorError(f"{self.path.name} has no header line.") from error


def _opened(path: Path) -> IO[bytes]:
    try:
        with path.open("rb") as probe:
            is_gzip = probe.read(2) == _GZIP_MAGIC
        return cast("IO[bytes]", gzip.open(path, "rb")) if is_gzip else path.open("rb")
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror or error}.") from error


def _text(file: IO[bytes]) -> Iterator[str]:
    """Decode line by line: a byte that is not UTF-8 spoils its own line only."""
    for number, line in enumerate(file):
        text = line.decode("utf-8", errors="replace")
        yield text.removeprefix("\ufeff") if number == 0 else text


def _survey(path: Path) -> tuple[str, int]:
    """Hash the content and count its lines, so that a damaged file is known before it is used."""
    digest = hashlib.sha256()
    lines = 0
    try:
        with _opened(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                lines += chunk.count(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise OperatorError(f"{path} is damaged after {lines:,} lines: {error}.") from error
    return digest.hexdigest(), lines
