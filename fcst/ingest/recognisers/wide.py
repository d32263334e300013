"""Recognisers of wide files: one column per day or week."""

from fcst.ingest.periods import find_periods
from fcst.ingest.proposal import Draft
from fcst.ingest.recognisers.recogniser import Recogniser, Sample
from fcst.specs import WIDE

_WEEKS = ",".join(f"2024-01-{day:02}" for day in range(1, 8))


def _find_periods(draft: Draft) -> None:
    draft.periods = find_periods(draft.columns.names, draft.calendar)


def _spread(draft: Draft) -> None:
    is_open = any(draft.mapping[role] in ([], [WIDE]) for role in ("date", "sales"))
    if draft.periods and is_open:
        why = f"{len(draft.periods):,} column names are dates"
        draft.decide("date", [WIDE], why)
        if not draft.is_plan:
            draft.decide("sales", [WIDE], why)
    else:
        draft.periods = {}


PERIODS = Recogniser("columns that are dates", _find_periods, ())
SPREAD = Recogniser(
    "sales in period columns",
    _spread,
    (
        Sample(f"sku,{_WEEKS}\na,1,2,3,4,5,6,7", {"item": ["sku"], "date": [WIDE], "sales": [WIDE]}),
        Sample(f"sku,day,qty,{_WEEKS}\na,2024-01-01,1,2,3,4,5,6,7,8", {"date": ["day"], "sales": ["qty"]}),
    ),
)
