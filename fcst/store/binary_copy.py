"""Encodes and decodes rows in COPY's binary format, which Postgres reads several times as fast as text.

See PostgreSQL's documentation of COPY, "Binary Format": a header, then for each row the number of fields and for each
field its length and bytes, in network byte order.
"""

import io
import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fcst.records import FloatArray

Row = tuple[Any, ...]

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_N_FIELDS, _LENGTH, _INTEGER, _FLOAT, _BOOL = (struct.Struct(f">{form}") for form in ("h", "i", "ii", "id", "i?"))
_END = _N_FIELDS.pack(-1)
_FLOAT8 = 701  # OID of the type double precision
_NULL = _LENGTH.pack(-1)
DAY_0 = np.datetime64("2000-01-01", "D")
"""Day 0 of dates in Postgres."""
_DAY_0 = date(2000, 1, 1).toordinal()
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">f8")])

BOOL_FIELD = np.dtype([("length", ">i4"), ("value", "?")])
INTEGER_FIELD = np.dtype([("length", ">i4"), ("value", ">i4")])
FLOAT_FIELD = _ELEMENT
DATE_FIELD = INTEGER_FIELD
"""Fields of COPY that are never NULL; a date is the number of days since DAY_0."""


def array_field(*shape: int) -> np.dtype:
    """The dtype of a COPY field with an array of this shape, without NULLs, as Postgres sends it."""
    n = int(np.prod(shape))
    return np.dtype([("length", ">i4"), ("head", f"V{12 + 8 * len(shape)}"), ("elements", _ELEMENT, (n,))])


def array_values(fields: np.ndarray, *shape: int) -> FloatArray:
    """The values of N `array_field`s, as an array of shape (N, *shape)."""
    values: FloatArray = fields["elements"]["value"].reshape(-1, *shape)
    return values


class RowReader:
    """Reads a COPY stream whose rows all have the same fields and sizes, and passes them on in blocks.

    Parameters
    ----------
    fields
        name -> dtype of the field, such as `array_field`.
    use
        called with an array of rows.
    """

    BLOCK_BYTES = 1 << 20

    def __init__(self, fields: dict[str, np.dtype], use: Callable[[np.ndarray], None]) -> None:
        self._row = np.dtype([("n_fields", ">i2"), *fields.items()])
        self._n_fields, self._use, self._data, self._n_skipped = len(fields), use, bytearray(), 0

    def write(self, data: bytes) -> int:
        self._data += data
        if len(self._data) > self.BLOCK_BYTES:
            self._read()
        return len(data)

    def close(self) -> None:
        """Reads the last rows; call after the last byte."""
        self._read()
        if bytes(self._data) != _END:
            raise ValueError("Rows of the COPY stream have different sizes.")

    def _read(self) -> None:
        if not self._n_skipped:
            self._n_skipped = len(_HEADER)
            del self._data[: self._n_skipped]
        n_rows = len(self._data) // self._row.itemsize
        if n_rows:
            rows = np.frombuffer(bytes(self._data[: n_rows * self._row.itemsize]), self._row)
            if not np.all(rows["n_fields"] == self._n_fields):
                raise ValueError("Rows of the COPY stream have different sizes.")
            self._use(rows)
            del self._data[: n_rows * self._row.itemsize]


class ArrayReader:
    """Reads a COPY stream whose rows are arrays of float64 of any length, and passes them on row by row.

    Parameters
    ----------
    use
        called with the arrays of a row; None for NULL.
    """

    def __init__(self, use: Callable[[list[FloatArray | None]], None]) -> None:
        self._use, self._data, self._place = use, bytearray(), len(_HEADER)

    def write(self, data: bytes) -> int:
        self._data += data
        if len(self._data) > RowReader.BLOCK_BYTES:
            self.close()
        return len(data)

    def close(self) -> None:
        """Reads the complete rows."""
        data, place = bytes(self._data), self._place
        while (after := self._read_row(data, place)) is not None:
            place = after
        self._data, self._place = bytearray(data[place:]), 0

    def _read_row(self, data: bytes, place: int) -> int | None:
        if len(data) < place + 2 or (n_fields := _N_FIELDS.unpack_from(data, place)[0]) < 0:
            return None
        place += 2
        arrays: list[FloatArray | None] = []
        for _ in range(n_fields):
            if len(data) < place + 4:
                return None
            (length,) = _LENGTH.unpack_from(data, place)
            place += 4
            if length < 0:
                arrays.append(None)
                continue
            if len(data) < place + length:
                return None
            n = max(length - 20, 0) // _ELEMENT.itemsize
            arrays.append(np.frombuffer(data, _ELEMENT, n, place + 20 if n else 0)["value"])
            place += length
        self._use(arrays)
        return place


class Field(bytes):
    """An encoded field."""


def encode(rows: Iterable[Row]) -> io.BytesIO:
    """Encodes rows of None, bool, int (integer), float, date, str and arrays of float64; NaN becomes NULL.

    Raises
    ------
    KeyError
        if a value has another type.
    """
    return io.BytesIO(_HEADER + _encode_rows(rows) + _END)


class RowWriter:
    """A COPY file that is generated while it is read: encodes the next block of rows while one is sent.

    Parameters
    ----------
    blocks
        blocks of rows, in the types that `encode` accepts.
    """

    def __init__(self, blocks: Iterable[Iterable[Row]]) -> None:
        self._parts = filter(None, chain([_HEADER], map(_encode_rows, blocks), [_END]))
        self._pool = ThreadPoolExecutor(1)
        self._next = self._pool.submit(next, self._parts, b"")

    def read(self, size: int = -1) -> bytes:
        """The next block, whatever its size; empty at the end."""
        part = self._next.result()
        self._next = self._pool.submit(next, self._parts, b"")
        return part

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def _encode_rows(rows: Iterable[Row]) -> bytes:
    parts = []
    for row in rows:
        parts.append(_N_FIELDS.pack(len(row)))
        parts.extend([_ENCODERS[type(value)](value) for value in row])
    return b"".join(parts)


@lru_cache(maxsize=1000)
def _encode_text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH.pack(len(data)) + data


@lru_cache(maxsize=500)
def _encode_date(value: date) -> bytes:
    return _INTEGER.pack(4, value.toordinal() - _DAY_0)


def _encode_float(value: float) -> bytes:
    return _NULL if value != value else _FLOAT.pack(8, value)


@lru_cache(maxsize=1000)
def _array_head(sizes: tuple[int, ...], has_null: bool) -> bytes:
    """The array header: dimensions, NULL flag, type; for each dimension its size and first index."""
    head = struct.pack(">iii", len(sizes), has_null, _FLOAT8)
    return head + b"".join([struct.pack(">ii", size, 1) for size in sizes])


def encode_lists(values: FloatArray, lengths: Sequence[int]) -> list[Field]:
    """Encodes consecutive slices of `values`, of the given lengths, as arrays; NaN becomes NULL."""
    data, is_null = _encode_elements(values)
    n_nulls_before = np.concatenate(([0], np.cumsum(is_null)))
    n_nulls = np.diff(n_nulls_before[np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))]).tolist()
    fields, place = [], 0
    for length, nulls in zip(lengths, n_nulls, strict=True):
        after = place + _ELEMENT.itemsize * length - 8 * nulls
        head = _array_head((length,) if length else (), nulls > 0)
        fields.append(Field(_LENGTH.pack(len(head) + after - place) + head + data[place:after]))
        place = after
    return fields


def _encode_array(values: FloatArray) -> bytes:
    data, is_null = _encode_elements(values.ravel())
    head = _array_head(values.shape if values.size else (), bool(is_null.any()))
    return _LENGTH.pack(len(head) + len(data)) + head + data


def _encode_elements(values: FloatArray) -> tuple[bytes, npt.NDArray[np.bool_]]:
    """Encoded array elements, and a mask of the NULLs; a NULL consists of its length only."""
    elements = np.empty(values.size, _ELEMENT)
    elements["length"], elements["value"] = 8, values
    is_null = np.isnan(values)
    if not is_null.any():
        return elements.tobytes(), is_null
    elements["length"][is_null] = -1
    is_used = np.ones((values.size, _ELEMENT.itemsize), bool)
    is_used[is_null, 4:] = False
    return elements.view(np.uint8).reshape(is_used.shape)[is_used].tobytes(), is_null


# An unknown type raises KeyError; the server refuses a type that does not fit the column.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: _NULL,
    bool: lambda value: _BOOL.pack(1, value),
    int: lambda value: _INTEGER.pack(4, value),
    float: _encode_float,
    date: _encode_date,
    str: _encode_text,
    np.ndarray: _encode_array,
    Field: bytes,
}
