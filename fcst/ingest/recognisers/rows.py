"""Rows that are not sales: other measures, entries of purchases, orders that were cancelled."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from fcst.ingest.column_names import Meaning, meaning_of, words
from fcst.ingest.proposal import Draft, Only
from fcst.ingest.recognisers.recogniser import Recogniser, Sample
from fcst.specs import MADE_UP

MAX_VALUES = 20  # of a column that tells kinds of rows apart
_VALUE_NAMES = frozenset(
    "value values amount wert betrag valeur montant valor importe valore importo waarde wartosc deger значение".split()
)
_TYPE_WORDS = frozenset("type typ art kind tipo soort rodzaj vorgang movement account konto compte cuenta line".split())
_STATUS_WORDS = frozenset("status state zustand statut estado stato stan durum cancelled canceled".split())
_SOLD = frozenset("sale sales sold invoice verkauf vente venta vendita venda verkoop sprzedaz satis cash pos".split())
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
    """A column whose values are names of measures: only the rows of units are sales."""
    if not draft.is_open("sales"):
        return
    columns = draft.columns
    for name in draft.columns.names:
        if name in columns.nested or name in (*draft.mapping["item"], *draft.mapping["date"]):
            continue
        values = _few_values(draft, name)
        meanings = {value: meaning_of(value) for value in values}
        units = [value for value, meaning in meanings.items() if meaning is Meaning.UNITS]
        if len(units) != 1 or len(values) < 2 or None in meanings.values():
            continue
        others = [value for value in values if value not in units]
        if draft.periods:
            _keep(draft, name, units, others)
            return
        numbers = [other for other in (*draft.mapping["sales"], *draft.free()) if columns.is_numeric(other)]
        called = [other for other in numbers if set(words(other)) & _VALUE_NAMES]
        if len(called or numbers) != 1:
            continue
        draft.decide("sales", called or numbers, f"the numbers of the rows whose {name} is {units[0]}")
        _keep(draft, name, units, others)
        return


def _own_export(draft: Draft) -> None:
    """The weekly sales of a dataset, as fcst exports them: a week without a value is an empty cell."""
    names = set(draft.columns.names)
    if names <= {*_OWN, "unique_id", "promo_units"} and {"wk_end_dt", "unit_sales"} <= names:
        draft.empty_is_missing = True


def _lines_of_items(draft: Draft) -> None:
    """A column of kinds of lines, of which some never have an item or units: heads of orders, payments, taxes."""
    if draft.only is not None or not (draft.mapping["item"] and draft.mapping["sales"]):
        return
    needed = [name for role in ("item", "sales") for name in draft.mapping[role] if name not in MADE_UP]
    is_whole = [all(cells) for cells in draft.columns.rows(needed)]
    for name in draft.free():
        values = _few_values(draft, name)
        if len(values) < 2 or not set(words(name)) & _TYPE_WORDS:
            continue
        place = draft.columns.place[name]
        kinds = [row[place] or "" for row in draft.columns.sample]
        whole = {kind for kind, is_line in zip(kinds, is_whole, strict=True) if is_line}
        others = {kind for kind, is_line in zip(kinds, is_whole, strict=True) if not is_line}
        if whole and others and not whole & others:
            _keep(draft, name, [v for v in values if v in whole], [v for v in values if v in others])
            return


def _entry_types(draft: Draft) -> None:
    """A ledger's column of types: sales and what came back, without purchases and transfers."""
    if draft.only is not None:
        return
    for name in draft.free():
        if not set(words(name)) & _TYPE_WORDS:
            continue
        values = _few_values(draft, name)
        kept = [value for value in values if set(words(value)) & (_SOLD | _BACK) and not set(words(value)) & _NOT_SOLD]
        others = [value for value in values if value not in kept]
        if any(set(words(value)) & _SOLD for value in kept) and any(set(words(v)) & _NOT_SOLD for v in others):
            _keep(draft, name, kept, others)
            return


def _cancelled(draft: Draft) -> None:
    for name in draft.free():
        if not set(words(name)) & _STATUS_WORDS:
            continue
        values = {value: set(words(value)) for value in _few_values(draft, name)}
        found = [value for value, said in values.items() if said & _CANCELLED and not said & _PARTLY]
        if found and len(found) < len(values):
            draft.cancelled = Only(name, tuple(found))
            return


def _few_values(draft: Draft, name: str) -> list[str]:
    """The values of a column, the commonest first; none where they are many."""
    place = draft.columns.place[name]
    counts = Counter(row[place] or "" for row in draft.columns.sample)
    return [value for value, _ in counts.most_common()] if len(counts) <= MAX_VALUES else []


def _keep(draft: Draft, name: str, kept: Iterable[str], others: Iterable[str]) -> None:
    draft.only = Only(name, tuple(kept))
    place = draft.columns.place[name]
    rows = [row for row in draft.columns.sample if (row[place] or "") in draft.only.values]
    draft.columns = replace(draft.columns, sample=rows)
    draft.remarks.append(
        f"Only rows whose {name} is {' or '.join(draft.only.values)} are read as sales, none with"
        f" {', '.join(other or 'nothing' for other in others)}."
    )


MEASURES = Recogniser(
    "rows of several measures",
    _measures,
    (
        Sample(
            "day,sku,Measure,Value\n2024-01-01,a,Units,3\n2024-01-01,a,Revenue,30\n2024-01-02,a,Units,4",
            {"sales": ["Value"], "only": Only("Measure", ("Units",))},
        ),
        Sample("day,sku,Group,qty\n2024-01-01,a,Units,3\n2024-01-01,b,Parts,30", {"sales": ["qty"], "only": None}),
    ),
)
OWN_EXPORT = Recogniser(
    "weekly sales that fcst has exported",
    _own_export,
    (
        Sample("item_nbr,wk_end_dt,unit_sales\na,2024-01-06,3\na,2024-01-13,", {"empty_is_missing": True}),
        Sample("item_nbr,date,unit_sales\na,2024-01-06,3\na,2024-01-13,", {"empty_is_missing": False}),
    ),
)
LINES_OF_ITEMS = Recogniser(
    "lines that are no items",
    _lines_of_items,
    (
        Sample(
            "Date,Line Type,Sku,Quantity\n2024-01-01,Sale,,5\n2024-01-01,Sale Line,a,5\n2024-01-02,Sale Line,b,1",
            {"only": Only("Line Type", ("Sale Line",))},
        ),
        Sample("Date,Line Type,Sku,Quantity\n2024-01-01,Sale,,5\n2024-01-01,Sale,a,5", {"only": None}),
    ),
)
ENTRY_TYPES = Recogniser(
    "a ledger's types of entries",
    _entry_types,
    (
        Sample(
            "Posting Date,Entry Type,Item No.,Quantity\n2024-01-01,Sale,a,-3\n2024-01-01,Purchase,a,30",
            {"only": Only("Entry Type", ("Sale",))},
        ),
        Sample("day,Customer Type,item,qty\n2024-01-01,Member,a,3\n2024-01-01,Normal,a,30", {"only": None}),
    ),
)
CANCELLED = Recogniser(
    "orders that were cancelled or refunded",
    _cancelled,
    (
        Sample(
            "day,Order Status,item,qty\n2024-01-01,Shipped,a,3\n2024-01-01,Cancelled,a,30",
            {"cancelled": Only("Order Status", ("Cancelled",))},
        ),
    ),
)
