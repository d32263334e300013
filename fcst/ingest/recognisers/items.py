"""Recognisers of the item: by column name, by values that distinguish rows of one date, or a single series."""

import re
from collections import Counter

from fcst.ingest.column_names import Meaning, meaning_of
from fcst.ingest.column_roles import candidates, is_known, recognise_roles
from fcst.ingest.columns import normalised
from fcst.ingest.date_texts import find_date_format
from fcst.ingest.proposal import Draft
from fcst.ingest.recognisers.recogniser import Recogniser, Sample
from fcst.specs import ONE_ITEM, WIDE

LEAST_ROWS = 20  # needed to conclude that a column with a different value in each row is not the item
_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_RUNNING_NUMBERS = ("id", "index", "row", "rowid", "rownumber", "uniqueid", "no", "nr", "unnamed0")


def _by_names(draft: Draft) -> None:
    taken = {column for names in draft.given.values() for column in names}
    left_out = taken | draft.columns.nested | draft.periods.keys()
    named = [name for name in draft.columns.names if name not in left_out]
    date_question = candidates(named).get("date", [])
    if (
        date_question and draft.columns.sample and not is_known(date_question[0], "date")
    ):  # known only by its words: Day of week
        named = [n for n in named if n not in date_question or find_date_format(draft.columns.cells(n)[:200])]
    for role, names in recognise_roles(named).items():
        draft.decide(role, names, "column name")
    for role, names in draft.given.items():
        draft.decide(role, names, "set by you")
    if len(draft.mapping["item"]) > 1 and draft.is_open("store"):  # a part of the key can be the store, too
        store = recognise_roles(draft.mapping["item"]).get("store", draft.mapping["store"])
        draft.decide("store", store, "part of the item key")


def _without_running_number(draft: Draft) -> None:
    """Replaces an item column with a running number by another column of items."""
    item, date = draft.mapping["item"], draft.mapping["date"]
    if not draft.is_open("item") or len(item) != 1 or date in ([], [WIDE]):
        return
    if not _differs_in_each_row(draft, item[0]):
        return
    others = [name for name in candidates(draft.free()).get("item", []) if not _differs_in_each_row(draft, name)]
    description = draft.mapping["description"]
    if others:
        draft.decide("item", others[:1], f"column name; {item[0]} differs in each row")
    elif normalised(item[0]) in _RUNNING_NUMBERS:
        draft.decide("item", [], "")
    elif description and not _differs_in_each_row(draft, description[0]):
        draft.decide("item", description, f"column name; {item[0]} differs in each row")
        draft.mapping["description"] = []


def _differs_in_each_row(draft: Draft, name: str) -> bool:
    """Whether a column has a different value in each row, and the rows have several dates."""
    n, n_rows = len(draft.columns.different([name])), len(draft.columns.sample)
    is_number = normalised(name) in _RUNNING_NUMBERS
    if n != n_rows or (n_rows < LEAST_ROWS and not is_number):
        return False
    return n > len(draft.columns.different(draft.mapping["date"])) > 1


def _without_line_number(draft: Draft) -> None:
    """Replaces an item column that restarts at 1 in each order: it is the line number."""
    item, receipt = draft.mapping["item"], draft.mapping["receipt"]
    if not draft.is_open("item") or len(item) != 1:
        return
    columns = draft.columns
    numbers = set(columns.cells(item[0]))
    if not numbers or numbers != {str(n) for n in range(1, len(numbers) + 1)}:
        return
    lines: dict[str, list[str]] = {}
    for order, line in columns.rows([*receipt, item[0]]) if receipt else []:
        lines.setdefault(order, []).append(line)
    is_numbered = all(set(found) == {str(n) for n in range(1, len(found) + 1)} for found in lines.values())
    if not (item[0].strip().endswith("#") or (is_numbered and len(lines) > 1)):
        return
    for name in [*candidates(draft.free()).get("item", []), *draft.mapping["description"]]:
        draft.decide("item", [name], f"column name; {item[0]} numbers the lines of an order")
        if draft.mapping["description"] == [name]:
            draft.mapping["description"] = []
        return


def _as_headings(draft: Draft) -> None:
    """Items as headings above their rows, in a column that is empty in those rows; no column has them row by row."""
    mapping, columns = draft.mapping, draft.columns
    if not draft.is_open("item") or not (mapping["date"] and mapping["sales"]) or draft.periods:
        return
    if mapping["item"] and (candidates(columns.names).get("item") or [])[:1] == mapping["item"]:
        return
    filled = [[place for place, cell in enumerate(row) if cell and cell.strip()] for row in columns.sample]
    alone = [places[0] for places in filled if len(places) == 1]
    if len(alone) < 2 or len(set(alone)) > 1:
        return
    day = columns.place[mapping["date"][0]]
    if any(alone[0] in places for places in filled if day in places):
        return
    draft.headings = columns.names[alone[0]]
    draft.decide("item", [], "")


def _needs_item(draft: Draft) -> bool:
    """Whether the table has no item column yet and can have one."""
    mapping = draft.mapping
    return (
        not mapping["item"]
        and draft.is_open("item")
        and not draft.headings
        and bool(mapping["date"])
        and bool(mapping["sales"])
    )


def _of_store_and_group(draft: Draft) -> None:
    """Store and class (or family) as the item if there is no item column; only those columns that vary."""
    mapping = draft.mapping
    if not _needs_item(draft):
        return
    group = "class" if mapping["class"] else "family"
    key = [*mapping["store"], *mapping[group]]
    if not key:
        return
    varying = [name for name in key if len(draft.columns.different([name])) > 1]
    draft.decide("item", varying or key[-1:], "no item column")
    for role in ("store", group):
        if set(mapping[role]) & set(mapping["item"]) and (role == group or len(mapping["item"]) == 1):
            mapping[role] = []


def _by_values(draft: Draft) -> None:
    """The only text column that distinguishes rows of the same date."""
    mapping = draft.mapping
    if not _needs_item(draft):
        return
    columns, n_rows = draft.columns, len(draft.columns.sample)
    is_wide = mapping["date"] == [WIDE]
    names = [name for name in draft.free() if columns.cells(name) and not columns.is_numeric(name)]
    names = [name for name in names if not all(map(_CLOCK.match, columns.cells(name)))]
    if is_wide:
        found = [name for name in names if len(columns.different([name])) == n_rows]
    else:
        found = [
            name
            for name in names
            if 1 < len(columns.different([name])) <= n_rows / 2
            and len(columns.different([name, *mapping["date"]])) == n_rows
        ]
    if len(found) == 1 or (found and is_wide):
        draft.decide("item", found[:1], "column distinguishes rows of the same date", by_values=True)


def _one_series(draft: Draft) -> None:
    """A single series: each date appears once, and no column can be the item."""
    mapping = draft.mapping
    if not _needs_item(draft):
        return
    columns = draft.columns
    if mapping["date"] == [WIDE]:
        is_one = len(columns.sample) == 1
    else:
        counts = Counter(columns.rows(mapping["date"]))
        is_one = bool(counts) and max(counts.values()) == 1
    n_rows = len(columns.sample)
    has_key = any(
        1 < len(columns.different([name])) <= (n_rows / 2 if columns.is_numeric(name) else n_rows)
        for name in draft.free()
        if meaning_of(name) not in (Meaning.MONEY, Meaning.OTHER)
    )
    if is_one and not has_key:
        draft.decide("item", [ONE_ITEM], "no item column, and no date appears twice", by_values=True)


_DAYS = [f"2024-01-{day:02}" for day in range(1, 29)]

NAMES = Recogniser(
    "roles by the names of columns",
    _by_names,
    (
        Sample("date,store,sku,qty,amount\n2024-01-01,1,a,2,3.5", {"item": ["sku"], "sales": ["qty"]}),
        Sample("Order Qty,Amount,Day,Article\n1,9.5,2024-01-01,a", {"item": ["Article"], "sales": ["Order Qty"]}),
    ),
)
RUNNING_NUMBER = Recogniser(
    "running numbers in an item column",
    _without_running_number,
    (
        Sample(
            "id,day,product,qty\n" + "\n".join(f"{n},{day},p{n % 3},1" for n, day in enumerate(_DAYS[:3] * 2)),
            {"item": ["product"]},
        ),
        Sample("id,day,qty\na,2024-01-01,1\na,2024-01-02,1\nb,2024-01-01,1", {"item": ["id"]}),
    ),
)
LINE_NUMBER = Recogniser(
    "line numbers in an item column",
    _without_line_number,
    (
        Sample(
            "Item #,SKU,Quantity,Order Date\n1,hat,1,2024-01-01\n2,tee,1,2024-01-01\n1,tee,1,2024-01-02\n"
            "2,hat,1,2024-01-02",
            {"item": ["SKU"]},
        ),
        Sample("item,item_name,qty,date\n1,hat,1,2024-01-01\n2,tee,1,2024-01-01", {"item": ["item"]}),
        Sample("Date,Name,Item,Qty\n2024-01-01,Ann,1,1\n2024-01-01,Bob,2,1\n2024-01-02,Bob,1,1", {"item": ["Item"]}),
    ),
)
HEADINGS = Recogniser(
    "items as headings above their rows",
    _as_headings,
    (
        Sample(
            "x,Date,Customer Name,Qty\nPen,,,\n,2024-01-01,Ann,2\n,2024-01-02,Bob,3\nInk,,,\n,2024-01-01,Ann,2",
            {"item": [], "headings": "x"},
        ),
    ),
)
STORE_AND_GROUP = Recogniser(
    "store and department as the item",
    _of_store_and_group,
    (
        Sample(
            "Store,Dept,Date,Weekly_Sales\n1,1,2024-01-05,2\n1,2,2024-01-05,2\n2,1,2024-01-05,2",
            {"item": ["Store", "Dept"], "store": ["Store"]},
        ),
    ),
)
BY_VALUES = Recogniser(
    "the item by its values",
    _by_values,
    (
        Sample(
            "day,flavour,qty\n" + "\n".join(f"{day},{name},1" for day in _DAYS[:4] for name in ("mint", "lime")),
            {"item": ["flavour"]},
        ),
        Sample("day,flavour,qty\n2024-01-01,mint,1\n2024-01-01,mint,2\n2024-01-02,lime,3\n", {"item": []}),
    ),
)
ONE_SERIES = Recogniser(
    "a single series",
    _one_series,
    (
        Sample("day,qty\n2024-01-01,1\n2024-01-02,2", {"item": [ONE_ITEM]}),
        Sample("day,qty\n2024-01-01,1\n2024-01-01,2", {"item": []}),
    ),
)
