"""Recognisers of driver columns: open days, stock, events, promotions, prices; and the last day of a plan's rows."""

from fcst.ingest.column_names import is_price
from fcst.ingest.columns import normalised
from fcst.ingest.proposal import Draft
from fcst.ingest.recognisers.recogniser import Recogniser, Sample
from fcst.specs import Mapping

_NAMES: dict[str, str] = {
    "promo": "onpromotion promotion promo ispromo onpromo promoflag promotionflag onpromotionflag ondeal isonpromotion "
    "deal display isdisplay ondisplay feature isfeature onfeature feat tpr temporarypricereduction coupon aktion "
    "promocion promozione promocja",
    "open": "open isopen opendays storeopen isstoreopen shopopen geoffnet ouvert abierto aperto",
    "stock": "instock isinstock stockonhand onhand availability isavailable",
    "stockout": "outofstock isoutofstock stockout isstockout oos soldout issoldout",
    "event": "holiday isholiday stateholiday schoolholiday publicholiday holidayname event events eventname eventname1 "
    "eventname2 isevent feiertag ferien schulferien festivo feriado jourferie",
}
_ROLE_OF = {name: role for role, names in _NAMES.items() for name in names.split()}
_LAST_DAYS = ("until", "enddate", "dateto", "todate", "validto", "validuntil", "promoend", "end", "to", "bis", "hasta")
_FIRST_DAYS = ("from", "startdate", "datefrom", "fromdate", "validfrom", "promostart", "start", "von", "desde")


def _drivers(draft: Draft) -> None:
    """Columns with the name of a driver."""
    found: Mapping = {}
    for name in draft.free():
        role = _ROLE_OF.get(normalised(name))
        if role is not None and draft.is_open(role):
            found.setdefault(role, []).append(name)
    for role, names in found.items():
        draft.decide(role, [*draft.mapping[role], *names], "column name" if len(names) == 1 else "column names")
    _price(draft)


def _price(draft: Draft) -> None:
    """The price in a plan; in sales files `units.VALUE_AND_PRICE` finds it."""
    named = [name for name in draft.free() if is_price(name) and draft.columns.is_numeric(name)]
    if draft.is_plan and named and draft.is_open("price"):
        draft.decide("price", named[:1], "column name")


def _days(draft: Draft) -> None:
    """The first and last day of a plan's rows."""
    if not draft.is_plan:
        return
    for role, known in (("date", _FIRST_DAYS), ("until", _LAST_DAYS)):
        named = [name for name in draft.columns.names if normalised(name) in known]
        if named and draft.is_open(role) and (role == "until" or not draft.mapping["date"]):
            draft.decide(role, named[:1], "column name")


DAYS_OF_PLAN = Recogniser(
    "the first and last day of a plan's rows",
    _days,
    (
        Sample("item,from,to,promo\na,2024-01-01,2024-01-07,1", {"until": []}),
        Sample("item,date,qty,enddate\na,2024-01-01,2,2024-01-07", {"date": ["date"], "until": []}),
    ),
)
COLUMNS = Recogniser(
    "driver columns",
    _drivers,
    (
        Sample(
            "Store,Date,Sales,Open,Promo,StateHoliday,SchoolHoliday\n1,2024-01-01,5,1,0,a,1",
            {"open": ["Open"], "promo": ["Promo"], "event": ["StateHoliday", "SchoolHoliday"]},
        ),
        Sample("day,item,qty,onpromotion,display\n2024-01-01,a,2,1,0", {"promo": ["onpromotion", "display"]}),
        Sample("day,item,qty,stock,opening balance\n2024-01-01,a,2,7,9", {"stock": [], "open": []}),
        Sample("day,item,qty,out of stock\n2024-01-01,a,2,0", {"stockout": ["out of stock"], "stock": []}),
    ),
)
