"""Which items of a dataset a run takes by a list of keys, or as an earlier run did."""

import re

from fcst.store import datasets

MOST_NAMED = 10


def find_pasted(dataset_id: int, pasted: str) -> tuple[tuple[str, ...], list[str]]:
    """The keys of items in a pasted text, each once; and the keys that no item has, as they stand there.

    There is one key a line, or several separated by commas, semicolons or tabs. A line that is the key of an item as a
    whole is one key, whatever signs are in it. So is one that was copied from a table or a CSV, where a ' stands before
    what a spreadsheet could take for a formula.
    """
    lines = [line.strip() for line in pasted.splitlines()]
    parts = {line: [part.strip() for part in re.split(r"[,;\t]", line)] for line in lines}
    written = {text for line, texts in parts.items() for text in (line, *texts) if text and "\0" not in text}
    known = datasets.find_items(dataset_id, list(written))
    names = datasets.find_shown_keys(dataset_id, [text for text in written if "'" in text]) if "'" in pasted else {}
    names |= {key: key for key in known}
    wanted = [key for line in lines for key in ([line] if line in names else parts[line]) if key]
    found = dict.fromkeys(names[key] for key in wanted if key in names)
    return tuple(found), list(dict.fromkeys(key for key in wanted if key not in names))


def find_gone(dataset_id: int, job_id: int) -> tuple[int, list[str]]:
    """How many items of a run a dataset does not have, and the first of them."""
    return datasets.missing_job_items(dataset_id, job_id, MOST_NAMED)


def name_some(keys: list[str], n_keys: int | None = None) -> str:
    """The first ten of them, and how many more there are: of `n_keys`, where not all are given."""
    rest = (len(keys) if n_keys is None else n_keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
