"""Meaning of the names of numeric columns from real systems."""

import pytest

from fcst.ingest.column_names import Meaning, meaning_of, words

UNITS = """QUANTITYORDERED, transaction_qty, Lineitem quantity, Bottles Sold, InvoicedQuantity, Invoiced Quantity,
Order Qty, Quantité, Qté vendue, Menge, Stück, Anzahl, Absatz, Cant., cantidad vendida, Quantidade, Qtd, Quantità,
Aantal, Ilość, sztuk, Количество, Кол-во, 数量, 销售数量, UnitsSold, qty_sold, Net Quantity, Units"""
SALES = "SALES, Weekly_Sales, Verkäufe, ventas, Total Sales, sales volume, demand, y"
MONEY = """UnitPrice, unit_price, Sale (Dollars), State Bottle Cost, PRICEEACH, Amount, Sales Amount, saleamount, Value,
Umsatz, Betrag, Montant, Importe, 売上高, 金额, Revenue (€), Kwota"""
OTHER = """Bottle Volume (ml), Quantity in stock, on_hand_qty, Unit, Unit of Measure, Sales Rep, Sales Order No,
Sale Type, Units per Pack, Returned Quantity, Sales Channel, Sales Order Number, forecast qty"""


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        (" ".join(name.split()), meaning)
        for names, meaning in ((UNITS, "units"), (SALES, "sales"), (MONEY, "money"), (OTHER, "other"))
        for name in names.split(",")
    ],
)
def test_meaning_of_numeric_column_names(name: str, meaning: str) -> None:
    assert meaning_of(name) == Meaning(meaning)


@pytest.mark.parametrize("name", ["item_nbr", "Store", "Datum", "", "c3", "Salesperson", "x" * 1_000])
def test_other_names_have_no_meaning_for_numbers(name: str) -> None:
    assert meaning_of(name) in (None, Meaning.OTHER)


def test_name_is_split_into_words() -> None:
    assert words("QUANTITYORDERED") == ["quantity", "ordered"]
    assert words("InvoicedQuantity (SKU-Nr)") == ["invoiced", "quantity", "sku", "nr"]
    assert words("Price €") == ["price", "euros"]
