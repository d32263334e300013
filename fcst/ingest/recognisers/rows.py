"""Recognisers of rows that are not sales: other measures, purchase entries, cancelled orders."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from fcst.ingest.column_names import Meaning, meaning_of, words
from fcst.ingest.proposal import Draft, RowFilter
from fcst.ingest.recognisers.recogniser import Recogniser, Sample
from fcst.specs import PLACEHOLDERS

LEAST_ROWS = 3  # of a kind of line, needed to conclude that it never has an item
MAX_VALUES = 20  # distinct values of a column with row types
_VALUE_NAMES = frozenset(
    "value values amount wert betrag valeur montant valor importe valore importo waarde wartosc deger значение".split()
)
_TYPE_WORDS = frozenset("type typ art kind tipo soort rodzaj vorgang movement account konto compte cuenta line".split())
_OTHER_TYPES = frozenset("customer client payment pay card tender channel product item store category".split())
_STATUS_WORDS = frozenset("status state zustand statut estado stato stan durum cancelled canceled".split())
_SOLD = frozenset("sale sales sold invoice verkauf vente venta vendita venda verkoop sprzedaz satis".split())
_BACK = frozenset("return returns refund credit gutschrift retoure retour devolucion reso zwrot".split())
_NOT_SOLD = frozenset(
    "purchase purchases transfer adjustment adjmt receipt consumption output assembly production inventory count"
    " einkauf wareneingang zugang umlagerung inventur achat reception compra acquisto inkoop zakup".split()
)
_OWN = ("item_nbr", "wk_end_dt", "unit_sales")
_CANCELLED = frozenset(
    "cancelled canceled cancel refunded refund voided void returned rejected failed storniert abgebrochen erstattet"
    " annule annulee rembourse cancelado cancelada reembolsado annullato rimborsato geannuleerd anulowane iptal".split()
)


_PARTLY = frozenset("partially partial partly teilweise partiel partiellement parcial parcialmente parziale".split())


def _measures(draft: Draft) -> None:
    """A column whose values are names of measures: only rows with units are sales."""
    if [meaning_of(name) for name in draft.mapping["sales"]] == [Meaning.UNITS]:
        return
    columns = draft.columns
    for name in draft.columns.names:
        if name in columns.nested or name in (*draft.mapping["item"], *draft.mapping["date"]):
            continue
        values = _few_values(draft, name) if not {"uom", "unit", "um"} & set(words(name)) else []
        meanings = {value: meaning_of(value) for value in values}
        units = [value for value, meaning in meanings.items() if meaning is Meaning.UNITS]
        if len(units) != 1 or len(values) < 2 or None in meanings.values():
            continue
        others = [value for value in values if value not in units]
        if draft.periods:
            _keep(draft, name, units, others)
            return
        free = draft.free() if draft.is_open("sales") else []
        numbers = [other for other in (*draft.mapping["sales"], *free) if columns.is_numeric(other)]
        called = [other for other in numbers if set(words(other)) & _VALUE_NAMES]
        if len(called or numbers) != 1:
            continue
        if draft.is_open("sales"):
            draft.decide("sales", called or numbers, f"the numbers in rows with {name} = {units[0]}")
        _keep(draft, name, units, others)
        return


def _own_export(draft: Draft) -> None:
    """Weekly sales exported by fcst: an empty cell is a missing week."""
    names = set(draft.columns.names)
    if names <= {*_OWN, "unique_id", "promo_units"} and {"wk_end_dt", "unit_sales"} <= names:
        draft.empty_is_missing = True


def _lines_of_items(draft: Draft) -> None:
    """A column of line types, some of which never have an item or units: order headers, payments, taxes."""
    if draft.row_filter is not None or not (draft.mapping["item"] and draft.mapping["sales"]):
        return
    needed = [name for role in ("item", "sales") for name in draft.mapping[role] if name not in PLACEHOLDERS]
    is_whole = [all(cells) for cells in draft.columns.rows(needed)]
    for name in draft.free():
        values = _few_values(draft, name)
        if len(values) < 2 or not _is_type_name(name):
            continue
        place = draft.columns.place[name]
        kinds = [row[place] or "" for row in draft.columns.sample]
        whole = {kind for kind, is_line in zip(kinds, is_whole, strict=True) if is_line}
        others = {kind for kind, is_line in zip(kinds, is_whole, strict=True) if not is_line}
        is_rare = any(kinds.count(kind) < LEAST_ROWS for kind in others)  # rows with a cell missing by mistake
        if whole and others and not whole & others and not is_rare:
            _keep(draft, name, [v for v in values if v in whole], [v for v in values if v in others])
            return


def _entry_types(draft: Draft) -> None:
    """A ledger's column of entry types: keeps sales and returns, drops purchases and transfers."""
    if draft.row_filter is not None:
        return
    for name in draft.free():
        values = _few_values(draft, name) if _is_type_name(name) else []
        others = [value for value in values if set(words(value)) & _NOT_SOLD]
        kept = [value for value in values if set(words(value)) & (_SOLD | _BACK) and value not in others]
        is_each_known = len(kept) + len(others) == len(values)
        if is_each_known and others and any(set(words(value)) & _SOLD for value in kept):
            _keep(draft, name, kept, others)
            return


def _is_type_name(name: str) -> bool:
    """Whether a column name means a type of row, not a type of customer or payment."""
    found = set(words(name))
    return bool(found & _TYPE_WORDS) and not found & _OTHER_TYPES


def _cancelled(draft: Draft) -> None:
    if draft.periods:
        return
    for name in draft.free():
        if not set(words(name)) & _STATUS_WORDS:
            continue
        values = {value: set(words(value)) for value in _few_values(draft, name)}
        found = [value for value, parts in values.items() if parts & _CANCELLED and not parts & _PARTLY]
        if found and len(found) < len(values):
            draft.cancelled = RowFilter(name, tuple(found))
            return


def _few_values(draft: Draft, name: str) -> list[str]:
    """The values of a column, most frequent first; empty above MAX_VALUES."""
    place = draft.columns.place[name]
    counts = Counter(row[place] or "" for row in draft.columns.sample)
    return [value for value, _ in counts.most_common()] if len(counts) <= MAX_VALUES else []


def _keep(draft: Draft, name: str, kept: Iterable[str], others: Iterable[str]) -> None:
    draft.row_filter = RowFilter(name, tuple(kept), tuple(others))
    place = draft.columns.place[name]
    rows = [row for row in draft.columns.sample if (row[place] or "") in draft.row_filter.values]
    draft.columns = replace(draft.columns, sample=rows)
    draft.remarks.append(
        f"Only rows with {name} = {' or '.join(draft.row_filter.values)} are read as sales, not rows with"
        f" {', '.join(other or '(empty)' for other in draft.row_filter.others)}."
    )


MEASURES = Recogniser(
    "rows of several measures",
    _measures,
    (
        Sample(
            "day,sku,Measure,Value\n2024-01-01,a,Units,3\n2024-01-01,a,Revenue,30\n2024-01-02,a,Units,4",
            {"sales": ["Value"], "row_filter": RowFilter("Measure", ("Units",), ("Revenue",))},
        ),
        Sample(
            "day,sku,qty,uom,amount\n2024-01-01,a,3,pcs,9.5\n2024-01-01,b,30,pack,9.5",
            {"sales": ["qty"], "row_filter": None},
        ),
        Sample(
            "day,sku,Group,qty\n2024-01-01,a,Units,3\n2024-01-01,b,Parts,30", {"sales": ["qty"], "row_filter": None}
        ),
    ),
)
OWN_EXPORT = Recogniser(
    "weekly sales exported by fcst",
    _own_export,
    (
        Sample("item_nbr,wk_end_dt,unit_sales\na,2024-01-06,3\na,2024-01-13,", {"empty_is_missing": True}),
        Sample("item_nbr,date,unit_sales\na,2024-01-06,3\na,2024-01-13,", {"empty_is_missing": False}),
    ),
)
LINES_OF_ITEMS = Recogniser(
    "lines without items",
    _lines_of_items,
    (
        Sample(
            "Date,Line Type,Sku,Quantity\n2024-01-01,Sale Line,a,5\n2024-01-02,Sale Line,b,1"
            + "\n2024-01-01,Sale,,5" * 3,
            {"row_filter": RowFilter("Line Type", ("Sale Line",), ("Sale",))},
        ),
        Sample("Date,Line Type,Sku,Quantity\n2024-01-01,Sale,,5\n2024-01-01,Sale,a,5", {"row_filter": None}),
    ),
)
ENTRY_TYPES = Recogniser(
    "entry types of a ledger",
    _entry_types,
    (
        Sample(
            "Posting Date,Entry Type,Item No.,Quantity\n2024-01-01,Sale,a,-3\n2024-01-01,Purchase,a,30",
            {"row_filter": RowFilter("Entry Type", ("Sale",), ("Purchase",))},
        ),
        Sample(
            "day,Payment Type,item,qty\n2024-01-01,Cash,a,3\n2024-01-01,Bank Transfer,a,30\n2024-01-01,Sale,b,1",
            {"row_filter": None},
        ),
        Sample("day,Customer Type,item,qty\n2024-01-01,Member,a,3\n2024-01-01,Normal,a,30", {"row_filter": None}),
    ),
)
CANCELLED = Recogniser(
    "cancelled or refunded orders",
    _cancelled,
    (
        Sample(
            "day,Order Status,item,qty\n2024-01-01,Shipped,a,3\n2024-01-01,Cancelled,a,30",
            {"cancelled": RowFilter("Order Status", ("Cancelled",))},
        ),
    ),
)
