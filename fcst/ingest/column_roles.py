"""Column roles by name: item, date, units sold and optional roles such as store or promotion.

Names are compared without case, spaces and punctuation.
"""

from collections.abc import Sequence

from fcst.ingest.column_names import Meaning, is_date, is_item, is_name_of_item, is_of_other_date, meaning_of
from fcst.ingest.columns import normalised
from fcst.specs import Mapping

# role -> names, most likely first
_NAMES: dict[str, str] = {
    "item": "uniqueid systemid itemnbr itemid itemno itemnumber itemcode item sku skuid skucode stockcode variantsku "
    "productid productcode productno productnumber articleid articleno articlenumber articlecode "
    "article materialnumber material product upc ean gtin barcode partnumber partno seriesid tsid "
    "lineitemsku sellersku merchantsku artikelnummer artikelnr artikel codigo producto produto prodotto produit "
    "produkt articulo articolo artigo reference referencia tuote urun kodproduktu codeproduit codiceprodotto "
    "codigoproduto codigoproducto productcodes productcd materialno товар артикул 商品 品番 商品コード id "
    "itemname productname asin lineitemname productline menuitem",
    "date": "ds date day invoicedate orderdate transactiondate transdate saledate salesdate solddate "
    "receiptdate dateofsale postingdate documentdate createdat paidat wkenddt weekending weekend "
    "weekenddate weekdate week timestamp datetime time period fecha datum belegdatum buchungsdatum "
    "rechnungsdatum verkaufsdatum verkoopdatum fakturadatum bestelldatum data dato "
    "tarih дата 日期 日付 dt invoicedatetime purchasedate",
    "sales": "unitsales unitssold soldunits qtysold quantitysold salesqty salesquantity salesunits quantity qty "
    "units itemcntday y demand sales sold weeklysales volume target",
    "promo": "onpromotion promotion promo ispromo onpromo promoflag promotionflag onpromotionflag ondeal isonpromotion",
    "store": "storenbr storeid storeno storenumber storecode store shopid shop locationid location branchid "
    "branch warehouse warehouseid outletid outlet site siteid dc tienda filiale magasin loja negozio "
    "winkel sklep locationcode",
    "receipt": "invoiceno invoice invoicenumber invoiceid receiptno receiptid receipt transactionid transactionno "
    "orderid orderno ordernumber basketid ticketid ticket billno billid amazonorderid",
    "family": "family itemfamily category categoryid productcategory deptid department dept productgroup group",
    "class": "class itemclass subcategory subcategoryid catid classid",
    "perishable": "perishable isperishable",
    "description": "description itemdescription productdescription lineitemname itemname productname title desc name",
}
_ROLE_OF = {normalised(name): role for role, names in reversed(_NAMES.items()) for name in names.split()}
_RANK = {(role, normalised(name)): rank for role, names in _NAMES.items() for rank, name in enumerate(names.split())}

# Unknown names whose words mean units rank before `y`; names that may mean money rank last.
_BY_WORDS = {Meaning.UNITS: _RANK["sales", "itemcntday"] + 0.5, Meaning.SALES: len(_NAMES["sales"])}


def recognise_roles(columns: Sequence[str]) -> Mapping:
    """role -> the column with a matching name, the most likely if several match. Roles without a match are absent."""
    mapping = {role: names[:1] for role, names in candidates(columns).items()}
    # A product name is the description if another column is the key.
    ranked = [(_RANK["description", name], c) for c in columns if ("description", name := normalised(c)) in _RANK]
    taken = {column for columns in mapping.values() for column in columns}
    names = [c for _, c in sorted(ranked) if c not in taken]
    if names:
        mapping.setdefault("description", [names[0]])
    if "item" not in mapping and "description" in mapping:
        mapping["item"] = mapping.pop("description")
    return mapping


def is_known(column: str, role: str) -> bool:
    """Whether a name is in the list of known names of a role."""
    return (role, normalised(column)) in _RANK


def candidates(columns: Sequence[str]) -> Mapping:
    """role -> the columns with matching names, most likely first."""
    found: dict[str, list[tuple[float, str]]] = {}
    has_line_items = any(normalised(column).startswith("lineitem") for column in columns)
    for column in columns:
        name = normalised(column)
        if has_line_items and name == "name":
            name = "orderid"  # Shopify's name for the order
        role = _ROLE_OF.get(name)
        rank: float
        if role is not None:
            rank = _RANK[role, name]
        elif (meaning := meaning_of(column)) in _BY_WORDS:
            role, rank = "sales", _BY_WORDS[meaning]
        elif is_item(column):
            role, rank = "item", _RANK["item", "id"] - 0.5
        elif is_name_of_item(column):
            role, rank = "description", _RANK["description", "name"] - 0.5
        elif is_date(column) and not is_of_other_date(column):
            role, rank = "date", len(_NAMES["date"])
        else:
            continue
        found.setdefault(role, []).append((rank, column))
    return {role: [column for _, column in sorted(ranked, key=lambda pair: pair[0])] for role, ranked in found.items()}
