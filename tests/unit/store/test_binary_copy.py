"""Rows for COPY: arrays that are encoded together are those that are encoded one by one."""

import numpy as np
import pytest

from fcst.store import binary_copy

NAN = np.nan
LISTS = [[1.5, 2], [], [NAN, 0, NAN], [NAN], [-7.25], [3, NAN]]


@pytest.mark.parametrize("lists", [LISTS, LISTS[:2], LISTS[1:2], []])
def test_lists_are_encoded_as_each_of_them(lists: list[list[float]]) -> None:
    arrays = [np.array(values, dtype=float) for values in lists]
    fields = binary_copy.encode_lists(np.concatenate([[], *arrays]), [len(array) for array in arrays])
    together = binary_copy.encode([(field,) for field in fields]).read()
    assert together == binary_copy.encode([(array,) for array in arrays]).read()


def test_reader_gives_back_what_was_encoded() -> None:
    """Of a stream that is written block by block; arrays with a NULL have another size."""
    rows = [(np.array([1.0, 2.0]), None), (np.array([-0.5]), np.array([])), (np.arange(400.0), np.arange(3.0))]
    found = []
    reader = binary_copy.ArrayReader(found.append)
    with binary_copy.RowWriter([rows[:1], [], rows[1:]]) as stream:
        while block := stream.read():
            reader.write(block)
    reader.close()
    expected = [[None if array is None else array.tolist() for array in row] for row in rows]
    assert [[None if array is None else array.tolist() for array in row] for row in found] == expected


def test_error_in_a_block_reaches_who_reads() -> None:
    with (
        binary_copy.RowWriter([[(1,)], [(object(),)]]) as stream,
        pytest.raises(KeyError, match="object"),
    ):
        while stream.read():
            pass
