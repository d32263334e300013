"""Recognisers of units sold: the column, its number format, ledger signs, and the value and price columns."""

from dataclasses import replace

from fcst.ingest.column_names import Meaning, is_price, is_value, meaning_of
from fcst.ingest.columns import is_placeholder_name
from fcst.ingest.date_texts import has_clock
from fcst.ingest.number_texts import are_negative, as_number, find_decimal
from fcst.ingest.proposal import Draft
from fcst.ingest.recognisers.recogniser import Recogniser, Sample
from fcst.specs import EACH_ROW, MONEY, PLACEHOLDERS, WIDE

_DAYS_WITH_COMMA = ("%d.%m.%Y", "%d.%m.%y")  # formats of locales with a decimal comma
LEAST_ITEMS = 3  # needed to prove that a column named as a price contains values


def _only_numbers(draft: Draft) -> None:
    """The only numeric column, if its name has no known meaning."""
    if draft.mapping["sales"] or not draft.is_open("sales") or not draft.mapping["date"]:
        return
    numbers = [name for name in draft.free() if draft.columns.is_numeric(name)]
    if len(numbers) == 1 and meaning_of(numbers[0]) is None and not is_placeholder_name(numbers[0]):
        draft.decide("sales", numbers, "the only numeric column", by_values=True)
        draft.guessed.add("sales")
        draft.remarks.append(f"{numbers[0]} is taken as units sold because it is the only numeric column.")


def _row_is_one(draft: Draft) -> None:
    """Receipt lines with a price and no quantity: each line is one unit."""
    mapping = draft.mapping
    if mapping["sales"] or not draft.is_open("sales") or not (mapping["item"] and mapping["date"]):
        return
    numbers = [name for name in draft.free() if draft.columns.is_numeric(name)]
    is_line = bool(mapping["receipt"]) or any(map(has_clock, draft.cells("date")[:500]))
    meanings = {meaning_of(name) for name in numbers}
    if is_line and Meaning.MONEY in meanings and meanings <= {Meaning.MONEY, Meaning.OTHER}:
        draft.decide("sales", [EACH_ROW], "no quantity column", by_values=True)
        draft.remarks.append("The file has no quantity column: each row counts as one unit.")


def _style(draft: Draft) -> None:
    is_comma_sure = draft.date_format.startswith(_DAYS_WITH_COMMA)
    found = find_decimal(dict.fromkeys(draft.cells("sales")), is_comma_sure, draft.is_comma_usual)
    money = find_decimal(dict.fromkeys(cell for role in MONEY for cell in draft.cells(role)))
    if draft.given_decimal:
        draft.why["numbers"] = "set by you"
        found = replace(found, decimal=draft.given_decimal)
    elif found.is_proven:
        draft.why["numbers"] = "some numbers have a fraction"
    elif found.is_open and money.is_proven:
        draft.why["numbers"] = f"numbers in {_columns_of_money(draft)} have a fraction"
        found = replace(found, decimal=money.decimal, is_open=False, is_proven=True, is_doubtful=False)
    elif found.is_open:
        draft.why["numbers"] = "not proven by the file"
    draft.numbers = found
    draft.money = money if money.is_proven else replace(money, decimal=found.decimal)


def _columns_of_money(draft: Draft) -> str:
    return " and ".join(name for role in MONEY for name in draft.mapping[role])


def _money(draft: Draft) -> None:
    """The value of a row and the price of a unit."""
    if not draft.mapping["sales"] or draft.mapping["date"] == [WIDE]:
        return
    for role, has_name in (("value", is_value), ("price", is_price)):
        named = [name for name in draft.free() if has_name(name) and draft.columns.is_numeric(name)]
        if named and draft.is_open(role):
            draft.decide(role, named[:1], "column name")
    names = draft.mapping["price"]
    if names and not draft.mapping["value"] and all(map(draft.is_open, MONEY)) and _are_values(draft, names[0]):
        draft.mapping["price"] = []
        del draft.why["price"]
        draft.decide("value", names, "divided by units it is constant per item")


def _are_values(draft: Draft, name: str) -> bool:
    """Whether a column named as a price grows with an item's units, so that it is the value of the row."""
    (units, *_), keys = draft.mapping["sales"], [key for key in draft.mapping["item"] if key not in PLACEHOLDERS]
    if units in PLACEHOLDERS:
        return False
    decimal = find_decimal(draft.columns.cells(name)).decimal
    amounts: dict[tuple[str, ...], dict[float, float]] = {}
    for *key, written, amount in draft.columns.rows([*keys, units, name]):
        sold, paid = as_number(written, decimal), as_number(amount, decimal)
        if sold and paid:
            amounts.setdefault(tuple(key), {}).setdefault(sold, paid)
    n_prices = n_values = 0
    for found in amounts.values():
        prices, each = set(found.values()), {round(paid / sold, 2) for sold, paid in found.items()}
        n_prices += len(prices) == 1 < len(each)
        n_values += len(each) == 1 < len(prices)
    return n_values >= LEAST_ITEMS and n_values > 4 * n_prices


def _ledger(draft: Draft) -> None:
    if draft.mapping["sales"] != [EACH_ROW] and are_negative(draft.cells("sales")):
        draft.is_negated = True
        draft.remarks.append(
            "Most units are negative, as in a stock ledger: all signs are reversed, so that issues count as sales."
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
VALUE_AND_PRICE = Recogniser(
    "the value and price of sales",
    _money,
    (
        Sample("day,item,qty,amount\n2024-01-01,a,2,25.00", {"value": ["amount"], "price": []}),
        Sample("day,item,qty,unit price,tax\n2024-01-01,a,2,12.50,1.00", {"value": [], "price": ["unit price"]}),
        Sample("day,item,QTY,SALES\n2024-01-01,a,2,25.00", {"sales": ["QTY"], "value": ["SALES"]}),
        Sample("day,item,qty,unit cost\n2024-01-01,a,2,12.50", {"value": [], "price": []}),
        Sample(
            "day,item,qty,price\n" + "".join(f"2024-01-01,{item},{n},{n * 12.5}\n" for item in "abc" for n in (1, 2)),
            {"value": ["price"], "price": []},
        ),
    ),
)
NUMBERS = Recogniser(
    "the decimal sign",
    _style,
    (
        Sample("day;item;qty\n2024-01-01;a;1,5", {"decimal": ","}),
        Sample("day;item;qty\n2024-01-01;a;1.250\n2024-01-02;a;500", {"is_decimal_doubtful": True}),
        Sample("day;item;qty\n01.02.2024;a;1,250\n28.02.2024;a;500", {"is_decimal_doubtful": True}),
        Sample("day;item;qty\n01.02.2024;a;1,250\n28.02.2024;a;5,500", {"decimal": ",", "is_decimal_doubtful": False}),
        Sample("day;item;qty;amount\n2024-01-01;a;1.250;12,50\n2024-01-02;a;500;5,00", {"decimal": ","}),
        Sample("day;item;qty\n01.02.2024;a;1.250\n28.02.2024;a;500", {"decimal": ",", "is_decimal_doubtful": False}),
    ),
)
LEDGER = Recogniser(
    "a stock ledger with negative sales",
    _ledger,
    (
        Sample("day,item,qty\n" + "2024-01-01,a,-2\n" * 12, {"is_negated": True}),
        Sample("day,item,qty\n" + "2024-01-01,a,-2\n" * 12 + "2024-01-01,a,2\n" * 12, {"is_negated": False}),
    ),
)
