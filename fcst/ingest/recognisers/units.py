"""Units sold: which column, how its numbers are written, and whether they are those of a ledger."""

from fcst.ingest.column_names import Meaning, meaning_of
from fcst.ingest.columns import is_made_up
from fcst.ingest.date_texts import has_clock
from fcst.ingest.number_texts import are_negative, find_decimal
from fcst.ingest.proposal import Draft
from fcst.ingest.recognisers.recogniser import Recogniser, Sample
from fcst.specs import EACH_ROW

_DAYS_WITH_COMMA = ("%d.%m.%Y", "%d.%m.%y")  # are written where the decimal sign is a comma


def _only_numbers(draft: Draft) -> None:
    """The one column of numbers, where its name says nothing of what they are."""
    if draft.mapping["sales"] or not draft.is_open("sales") or not draft.mapping["date"]:
        return
    numbers = [name for name in draft.free() if draft.columns.is_numeric(name)]
    if len(numbers) == 1 and meaning_of(numbers[0]) is None and not is_made_up(numbers[0]):
        draft.decide("sales", numbers, "the only numbers", by_values=True)
        draft.guessed.add("sales")
        draft.remarks.append(f"Nothing tells that {numbers[0]} are units sold: it has the only numbers.")


def _row_is_one(draft: Draft) -> None:
    """Lines of receipts with a price and no quantity: each is one sold."""
    mapping = draft.mapping
    if mapping["sales"] or not draft.is_open("sales") or not (mapping["item"] and mapping["date"]):
        return
    numbers = [name for name in draft.free() if draft.columns.is_numeric(name)]
    is_line = bool(mapping["receipt"]) or any(map(has_clock, draft.cells("date")[:500]))
    meanings = {meaning_of(name) for name in numbers}
    if is_line and Meaning.MONEY in meanings and meanings <= {Meaning.MONEY, Meaning.OTHER}:
        draft.decide("sales", [EACH_ROW], "no column says how many", by_values=True)
        draft.remarks.append("No column says how many were sold: each row counts as one.")


def _style(draft: Draft) -> None:
    found = find_decimal(
        dict.fromkeys(draft.cells("sales")), draft.date_format.startswith(_DAYS_WITH_COMMA), draft.is_comma_usual
    )
    draft.numbers = found
    if draft.asked_decimal:
        draft.why["numbers"] = "as you said"
    elif found.is_proven:
        draft.why["numbers"] = "some numbers have a fraction"
    elif found.is_open:
        draft.why["numbers"] = "nothing tells"


def _ledger(draft: Draft) -> None:
    if draft.mapping["sales"] != [EACH_ROW] and are_negative(draft.cells("sales")):
        draft.is_negated = True
        draft.remarks.append(
            "Most units are negative, as in a ledger of stock: all are read with the other sign, as what was sold."
        )


ONLY_NUMBERS = Recogniser(
    "the only column of numbers",
    _only_numbers,
    (
        Sample("Day,Product,Passengers\n2024-01-01,a,112\n2024-01-02,a,118", {"sales": ["Passengers"]}),
        Sample("Day,Product,Price\n2024-01-01,a,1.5\n2024-01-02,a,1.8", {"sales": []}),
    ),
)
ROW_IS_ONE = Recogniser(
    "receipts without a quantity",
    _row_is_one,
    (
        Sample("datetime,product,price\n2024-01-01 09:10,tea,2.5\n2024-01-01 09:12,tea,2.5", {"sales": [EACH_ROW]}),
        Sample("day,product,price\n2024-01-01,tea,2.5\n2024-01-02,tea,2.5", {"sales": []}),
    ),
)
NUMBERS = Recogniser(
    "the decimal sign",
    _style,
    (
        Sample("day;item;qty\n2024-01-01;a;1,5", {"decimal": ","}),
        Sample("day;item;qty\n2024-01-01;a;1.250\n2024-01-02;a;500", {"is_decimal_doubtful": True}),
        Sample("day;item;qty\n01.02.2024;a;1.250\n28.02.2024;a;500", {"decimal": ",", "is_decimal_doubtful": False}),
    ),
)
LEDGER = Recogniser(
    "a ledger of stock, in which sales are negative",
    _ledger,
    (
        Sample("day,item,qty\n" + "2024-01-01,a,-2\n" * 12, {"is_negated": True}),
        Sample("day,item,qty\n" + "2024-01-01,a,-2\n" * 12 + "2024-01-01,a,2\n" * 12, {"is_negated": False}),
    ),
)
