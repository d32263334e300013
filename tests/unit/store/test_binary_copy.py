"""Encoding and decoding rows for binary COPY."""

import numpy as np
import pytest

from fcst.store import binary_copy

NAN = np.nan
LISTS = [[1.5, 2], [], [NAN, 0, NAN], [NAN], [-7.25], [3, NAN]]


@pytest.mark.parametrize("lists", [LISTS, LISTS[:2], LISTS[1:2], []])
def test_lists_encoded_together_equal_single_arrays(lists: list[list[float]]) -> None:
    arrays = [np.array(values, dtype=float) for values in lists]
    fields = binary_copy.encode_lists(np.concatenate([[], *arrays]), [len(array) for array in arrays])
    together = binary_copy.encode([(field,) for field in fields]).read()
    assert together == binary_copy.encode([(array,) for array in arrays]).read()


def test_reader_decodes_what_was_encoded() -> None:
    """Writes the stream in blocks; arrays with a NULL have another size."""
    rows = [(np.array([1.0, 2.0]), None), (np.array([-0.5]), np.array([])), (np.arange(400.0), np.arange(3.0))]
    found = []
    reader = binary_copy.ArrayReader(found.append)
    with binary_copy.RowWriter([rows[:1], [], rows[1:]]) as stream:
        while block := stream.read():
            reader.write(block)
    reader.close()
    expected = [[None if array is None else array.tolist() for array in row] for row in rows]
    assert [[None if array is None else array.tolist() for array in row] for row in found] == expected


def test_error_in_a_block_is_raised_in_read() -> None:
    with (
        binary_copy.RowWriter([[(1,)], [(object(),)]]) as stream,
        pytest.raises(KeyError, match="object"),
    ):
        while stream.read():
            pass
