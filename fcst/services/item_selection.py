"""Item selection by pasted keys or from an earlier run."""

import re

from fcst.store import datasets

MOST_NAMED = 10


def find_pasted(dataset_id: int, pasted: str) -> tuple[tuple[str, ...], list[str]]:
    """Finds item keys in a pasted text; returns distinct keys, and the entries that match no item.

    A line has one key, or several separated by commas, semicolons or tabs. A line that matches an item key as a whole
    is one key, whatever characters it contains. A leading ', which tables and CSV exports put before text that a
    spreadsheet could read as a formula, is accepted.
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


def find_missing(dataset_id: int, job_id: int) -> tuple[int, list[str]]:
    """Counts the items of a run that a dataset lacks; returns the count and the first of them."""
    return datasets.missing_job_items(dataset_id, job_id, MOST_NAMED)


def join_keys(keys: list[str], n_keys: int | None = None) -> str:
    """Joins the first ten keys and counts the rest; `n_keys` is the total if `keys` is incomplete."""
    rest = (len(keys) if n_keys is None else n_keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
