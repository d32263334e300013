"""Rows in the binary form of COPY, which Postgres reads several times as fast as text.

The form is that of PostgreSQL's documentation of COPY, "Binary Format": a header, then for each row the number of its
fields and for each field its length and bytes, in network byte order.
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
_FLOAT8 = 701  # the number of the type double precision
_NULL = _LENGTH.pack(-1)
DAY_0 = np.datetime64("2000-01-01", "D")
"""From which dates are counted."""
_DAY_0 = date(2000, 1, 1).toordinal()
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">f8")])

BOOL_FIELD = np.dtype([("length", ">i4"), ("value", "?")])
INTEGER_FIELD = np.dtype([("length", ">i4"), ("value", ">i4")])
FLOAT_FIELD = _ELEMENT
DATE_FIELD = INTEGER_FIELD
"""Of COPY, none of them NULL; a date is days since DAY_0."""


def array_field(*shape: int) -> np.dtype:
    """A field of COPY that holds a whole array of this shape without a NULL, as it comes from Postgres."""
    n = int(np.prod(shape))
    return np.dtype([("length", ">i4"), ("head", f"V{12 + 8 * len(shape)}"), ("elements", _ELEMENT, (n,))])


def array_values(fields: np.ndarray, *shape: int) -> FloatArray:
    """(N, *shape) what N `array_field`s of this shape hold."""
    values: FloatArray = fields["elements"]["value"].reshape(-1, *shape)
    return values


class RowReader:
    """Takes a stream of COPY whose rows all have the same fields and sizes, and gives them on in blocks.

    Parameters
    ----------
    fields
        name -> what a field is, such as `array_field`.
    use
        is called with an array of rows.
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
        """After the last byte."""
        self._read()
        if bytes(self._data) != _END:
            raise ValueError("Rows of a stream differ in their sizes.")

    def _read(self) -> None:
        if not self._n_skipped:
            self._n_skipped = len(_HEADER)
            del self._data[: self._n_skipped]
        n_rows = len(self._data) // self._row.itemsize
        if n_rows:
            rows = np.frombuffer(bytes(self._data[: n_rows * self._row.itemsize]), self._row)
            if not np.all(rows["n_fields"] == self._n_fields):
                raise ValueError("Rows of a stream differ in their sizes.")
            self._use(rows)
            del self._data[: n_rows * self._row.itemsize]


class ArrayReader:
    """Takes a stream of COPY whose rows are arrays of float64 of any length, and gives them on row by row.

    Parameters
    ----------
    use
        is called with the arrays of a row; None stands for NULL.
    """

    def __init__(self, use: Callable[[list[FloatArray | None]], None]) -> None:
        self._use, self._data, self._place = use, bytearray(), len(_HEADER)

    def write(self, data: bytes) -> int:
        self._data += data
        if len(self._data) > RowReader.BLOCK_BYTES:
            self.close()
        return len(data)

    def close(self) -> None:
        """Reads the rows that are whole."""
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
    """A field that is encoded already."""


def encode(rows: Iterable[Row]) -> io.BytesIO:
    """Rows of None, bool, int (integer), float, date, str and arrays of float64; a NaN is written as NULL.

    Raises
    ------
    KeyError
        for a value of another type.
    """
    return io.BytesIO(_HEADER + _encode_rows(rows) + _END)


class RowWriter:
    """A file of COPY that is made while it is read: the next block of rows is encoded while one is sent.

    Parameters
    ----------
    blocks
        of rows as `encode` takes them.
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
    """The number of dimensions, whether there are NULLs, the type; of each dimension its size and first index."""
    head = struct.pack(">iii", len(sizes), has_null, _FLOAT8)
    return head + b"".join([struct.pack(">ii", size, 1) for size in sizes])


def encode_lists(values: FloatArray, lengths: Sequence[int]) -> list[Field]:
    """Arrays of so many of the values each, one after another; a NaN is written as NULL."""
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
    """The elements of arrays, and which of them are NULL; a NULL is its length alone."""
    elements = np.empty(values.size, _ELEMENT)
    elements["length"], elements["value"] = 8, values
    is_null = np.isnan(values)
    if not is_null.any():
        return elements.tobytes(), is_null
    elements["length"][is_null] = -1
    is_used = np.ones((values.size, _ELEMENT.itemsize), bool)
    is_used[is_null, 4:] = False
    return elements.view(np.uint8).reshape(is_used.shape)[is_used].tobytes(), is_null


# A type that is not here raises; a wrong one the server refuses.
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
