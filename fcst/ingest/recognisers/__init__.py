"""The recognisers: each finds one thing in a table's columns and adds it to the draft, with its evidence.

A recogniser is a function of a draft, in a record with samples of what it recognises and of what it must leave alone.
They run in the order of REGISTRY: later ones build on what earlier ones have found. To add one, write it with its
samples and name it here; the tests run all samples.
"""

from collections.abc import Sequence
from datetime import date

from fcst.ingest.columns import Columns
from fcst.ingest.proposal import Draft, Proposal
from fcst.ingest.recognisers import dates, drivers, items, rows, units, wide
from fcst.ingest.recognisers.recogniser import Recogniser
from fcst.specs import Mapping

REGISTRY: tuple[Recogniser, ...] = (
    wide.PERIODS,
    items.NAMES,
    drivers.DAYS_OF_PLAN,
    wide.SPREAD,
    rows.OWN_EXPORT,
    rows.MEASURES,
    items.RUNNING_NUMBER,
    items.LINE_NUMBER,
    items.HEADINGS,
    items.STORE_AND_GROUP,
    dates.PARTS,
    dates.BY_VALUES,
    dates.FORMAT,
    drivers.BESIDE,
    units.ONLY_NUMBERS,
    units.ROW_IS_ONE,
    items.BY_VALUES,
    items.ONE_SERIES,
    units.MONEY_BESIDE,
    units.NUMBERS,
    rows.LINES_OF_ITEMS,
    rows.ENTRY_TYPES,
    units.LEDGER,
    rows.CANCELLED,
    dates.DAY_ORDER,
    dates.TIMES,
    dates.WEEK_STARTS,
)


def propose(
    columns: Sequence[str],
    types: Sequence[str],
    sample: Sequence[Sequence[str | None]],
    given: Mapping,
    date_format: str = "",
    decimal: str = "",
    calendar: dict[str, date] | None = None,
    is_comma_usual: bool = False,
    file_name: str = "",
) -> Proposal:
    """What the columns of a table mean; what is `given` stands. The parameters are those of `Draft`."""
    draft = Draft(
        columns=Columns(tuple(columns), tuple(types), sample),
        given=given,
        asked_format=date_format,
        asked_decimal=decimal,
        calendar=calendar or {},
        is_comma_usual=is_comma_usual,
        file_name=file_name,
    )
    for recogniser in REGISTRY:
        recogniser.recognise(draft)
    return draft.finish()
