"""Meaning of column names (units, sales, money, item, name, date) by their words, in several languages.

A name is split into words at punctuation and capitals. A single unknown word is split into known words:
`Lineitem quantity`, `transaction_qty`, `InvoicedQuantity`, `QUANTITYORDERED`.
"""

import re
import unicodedata
from enum import StrEnum
from functools import cache


class Meaning(StrEnum):
    """Meaning of a column of numbers, by its name."""

    UNITS = "units"
    SALES = "sales"
    """Units or money: the name is ambiguous."""
    MONEY = "money"
    OTHER = "other"


# Without accents, as `_plain` returns them. Words without a meaning of their own are left out.
_UNITS = """
    quantity quantities quant qty qtys qnty unit units piece pieces pcs bottles
    menge mengen stueck stuck stuckzahl anzahl absatz
    quantite quantites qte unite unites pieces nombre
    cantidad cantidades cant unidad unidades uds piezas
    quantidade quantidades qtd qtde unidade
    quantita qta pezzi
    aantal stuks hoeveelheid
    ilosc sztuk sztuki szt
    antal antall kpl maara adet miktar
    количество кол колво штук шт
    数量 個数 件数 销量 销售数量 销售量 販売数
"""
_SALES = """
    sales sale sold sell demand volume y
    verkauf verkaufe verkaufte ventes vente ventas venta vendas venda vendite vendita verkoop verkopen sprzedaz satis
    продажи 销售 売上数
"""
_MONEY = """
    amount amt value revenue revenues turnover cost costs dollar dollars usd eur euro euros gbp pounds
    profit margin tax taxes vat discount fee fees subtotal payment paid msrp
    umsatz erlos betrag wert kosten
    montant valeur recette recettes
    importe valor monto ingresos ingreso
    receita importo valore ricavo ricavi fatturato
    bedrag waarde omzet
    kwota wartosc belopp varde tutar ciro
    сумма стоимость выручка 金额 金額 销售额 売上 売上高
"""
_PRICE = """
    price prices preis prix precio preco prezzo prijs cena pris hinta fiyat цена 単価 单价 价格 価格 售价
"""
_NOT_PAID = """
    cost costs profit margin tax taxes vat discount fee fees subtotal payment msrp kosten varde
    order basket receipt list old original regular compare before base standard currency shipping freight
"""
_OTHER = """
    stock inventory hand available remaining returned returns refunded cancelled canceled backordered open forecast
    budget plan min max pack size weight ml cl measure uom per
    id ids no nr nbr num number code key name type group date time
    bestand lager stornierte retouren existencias estoque giacenza voorraad zapas
"""
_ITEM = """
    item product article material sku upc ean gtin barcode plu asin mpn
    artikel ware artikelnummer artikelnr produkt erzeugnis
    produit producto articulo prodotto articolo produto artigo
    towar towaru towary produktu indeks vara vare varenr varunr tuote urun stok
    товар товара артикул номенклатура 商品 品番 製品 产品 货号
"""
_KEY = """
    code codes no nr num number nbr id ids ref reference key nummer numero codigo cod codice kod kodu kodas numer
    код номер コード 番号 编号 编码
"""
_NAME = """
    name names description desc designation title label text
    bezeichnung beschreibung benennung libelle nom denomination descripcion nombre descrizione nome denominazione
    descricao nazwa opis omschrijving naam adi aciklama benamning navn nimi
    наименование название 名 商品名 品名 名称
"""
_DATE = """
    date day datum dag fecha data giorno dia jour dato dzien tarih tarihi gun paiva дата день 日 日付 日期 売上日 販売日
"""
_NOT_OF_SALE = """
    due delivery delivered deliver ship shipped shipping requested required expiry expiration birth update updated
    modified changed payment paid start end valid lieferung liefer faellig faelligkeit livraison entrega consegna
    levering leverings dostawy teslimat
"""
_SIGNS = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "money", "%": "share"}
_JOINED = "ordered invoiced shipped purchased order orders item items line product transaction trans each"
_BESIDE_SALES = (
    "daily weekly monthly total net gross volume actual history historical item items product day week month"
)


def _words_of(text: str) -> frozenset[str]:
    return frozenset(_plain(word) for word in text.split())


def _plain(word: str) -> str:
    """A word in lower case, without accents."""
    return without_accents(word).casefold()


_LETTERS = str.maketrans({"ł": "l", "Ł": "L", "ı": "i", "ø": "o", "Ø": "O", "ß": "ss"})


def without_accents(text: str) -> str:
    """A text with accented letters replaced by their base letters."""
    split = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(char for char in split if not unicodedata.combining(char)))


_KINDS = {
    "units": _words_of(_UNITS),
    "sales": _words_of(_SALES),
    "money": _words_of(_MONEY) | _words_of(_PRICE),
    "other": _words_of(_OTHER),
}
_PRICES, _NOT_PAID_FOR_ITEMS = _words_of(_PRICE), _words_of(_NOT_PAID)
_PARTS = {
    "item": _words_of(_ITEM),
    "key": _words_of(_KEY),
    "name": _words_of(_NAME),
    "date": _words_of(_DATE),
    "not of sale": _words_of(_NOT_OF_SALE),
}
_BESIDE_ITEM = _PARTS["item"] | _PARTS["key"] | _words_of("de del do da du of the lineitem line variant seller stock")
_KNOWN = frozenset().union(*_KINDS.values(), *_PARTS.values(), _words_of(_JOINED))
_COUNTS = frozenset(("no", "nr", "nbr", "num", "number"))
_OF_SALES = _KINDS["sales"] | _words_of(_BESIDE_SALES)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_LONGEST = max(map(len, _KNOWN))


def words(name: str) -> list[str]:
    """The words of a name in lower case without accents; currency and percent signs become words."""
    for sign, word in _SIGNS.items():
        name = name.replace(sign, f" {word} ")
    parts = _PART.findall(without_accents(name))
    return [word for part in parts for word in _cut(part.casefold())]


@cache
def _cut(text: str) -> tuple[str, ...]:
    """Splits a text into known words; returns it unchanged if other words remain."""
    if text in _KNOWN or len(text) > 60:
        return (text,)
    found: list[tuple[str, ...] | None] = [(), *[None] * len(text)]
    for end in range(1, len(text) + 1):
        for begin in range(max(end - _LONGEST, 0), end - 1):
            before, word = found[begin], text[begin:end]
            if before is not None and word in _KNOWN and len(word) > 2 and found[end] is None:
                found[end] = (*before, word)
    return found[-1] or (text,)


def is_item(name: str) -> bool:
    """Whether a name means the key of an item: Code article, Item Number, Ürün Kodu."""
    found = frozenset(words(name))
    is_line = bool(found & {"line", "lineitem"}) and not found & {"sku", "code"}  # Line Item Number
    return bool(found & _PARTS["item"]) and found <= _BESIDE_ITEM and not is_line


def is_name_of_item(name: str) -> bool:
    """Whether a name means the name of an item: Bezeichnung, Nazwa towaru."""
    found = frozenset(words(name))
    return bool(found & _PARTS["name"]) and found <= _BESIDE_ITEM | _PARTS["name"]


def is_date(name: str) -> bool:
    """Whether a name means a date."""
    return bool(frozenset(words(name)) & _PARTS["date"])


def is_of_other_date(name: str) -> bool:
    """Whether a name means a date other than the date of sale: Due Date, Delivery Date."""
    return bool(frozenset(words(name)) & _PARTS["not of sale"])


def is_price(name: str) -> bool:
    """Whether a name means the selling price of one unit: Unit Price; not a cost or a list price."""
    found = frozenset(words(name))
    return meaning_of(name) == Meaning.MONEY and bool(found & _PRICES) and not found & _NOT_PAID_FOR_ITEMS


def is_value(name: str) -> bool:
    """Whether a name means the sales value of a row: Amount, Sale (Dollars); not a tax or an order total.

    Ambiguous sales (units or money) count as a value if the table also has units.
    """
    found = frozenset(words(name))
    is_money = meaning_of(name) in (Meaning.MONEY, Meaning.SALES)
    return is_money and not found & _PRICES and not found & _NOT_PAID_FOR_ITEMS


def meaning_of(name: str) -> Meaning | None:
    """The meaning of a column of numbers; None if its name has no known meaning.

    A word for money takes precedence over a word for units, as in `Unit Price` and `Sale (Dollars)`. A word for
    something other than sales takes precedence over both, as in `Quantity in stock`.
    """
    found = frozenset(words(name))
    is_count = bool(found & _COUNTS) and bool(found & (_KINDS["units"] | _KINDS["sales"]) - {"unit"})  # No. of units
    if found & _KINDS["other"] - (_COUNTS if is_count else frozenset()):
        return Meaning.OTHER
    if found & _KINDS["money"]:
        return Meaning.MONEY
    if found & _KINDS["units"]:
        return Meaning.OTHER if found == {"unit"} else Meaning.UNITS  # such as kg
    if not found & _KINDS["sales"]:
        return None
    return Meaning.SALES if found <= _OF_SALES | _COUNTS else Meaning.OTHER  # Sales Rep
