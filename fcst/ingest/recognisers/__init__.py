"""Recognisers: each recognises one property of a table's columns and adds it to the draft, with its evidence.

A recogniser is a function of a draft, with samples that it must recognise and samples that it must ignore. They run
in the order of REGISTRY; later ones use the results of earlier ones. To add one, write it with its samples and list
it here; the tests run all samples.
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
    drivers.COLUMNS,
    units.ONLY_NUMBERS,
    units.ROW_IS_ONE,
    items.BY_VALUES,
    items.ONE_SERIES,
    units.VALUE_AND_PRICE,
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
    """Recognises the meaning of a table's columns; keeps `given` roles. The parameters are those of `Draft`."""
    draft = Draft(
        columns=Columns(tuple(columns), tuple(types), sample),
        given=given,
        given_format=date_format,
        given_decimal=decimal,
        calendar=calendar or {},
        is_comma_usual=is_comma_usual,
        file_name=file_name,
    )
    for recogniser in REGISTRY:
        recogniser.recognise(draft)
    return draft.finish()
