"""Shared parts of commands that read files: arguments, the report of the column mapping, the wait for the ingest."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby

from fcst.dataset_records import Dataset
from fcst.errors import BadRows, InputError
from fcst.filters import ItemFilter
from fcst.names import WEEKDAYS
from fcst.quality_report import FileRead, QualityReport
from fcst.specs import CANCELLED, DECIMALS, DRIVER_ROLES, DUPLICATES, ODD_DATES, RETURNS, ROLES, IngestSpec, Mapping
from fcst.terminal import DONE, FAILED, print_json, print_message


def add_reading_arguments(sub: argparse.ArgumentParser) -> None:
    """Add the arguments that control how files are read."""
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ROLE=COL",
        help=f"role of a column: {', '.join(ROLES)}; item=A,B joins columns; promo= means none; repeatable",
    )
    sub.add_argument(
        "--date-format", default="", metavar="FORMAT", help="strptime format, such as %%d/%%m/%%Y (default: detected)"
    )
    sub.add_argument("--decimal", default="", choices=DECIMALS, help="decimal separator (default: detected)")
    sub.add_argument("--encoding", default="", help="text encoding, such as cp1252 (default: detected)")
    sub.add_argument("--file", default="", metavar="NAME", help="file in an archive or folder, or sheet of a workbook")
    sub.add_argument(
        "--where", action="append", default=[], metavar="COL=VALUE", help="read only rows with this value; repeatable"
    )
    sub.add_argument("--skip-bad", action="store_true", help="load the valid rows of a file that also has bad rows")


def add_weekly_arguments(sub: argparse.ArgumentParser) -> None:
    """Add the arguments of the rules by which rows become weeks."""
    sub.add_argument("--include-promo", action="store_true", help="count promotional rows as sales")
    sub.add_argument("--week-end", choices=WEEKDAYS, help="last day of the week (default: SAT, or as in weekly data)")
    sub.add_argument(
        "--zone", default="", help="time zone that sets the day of timestamps with a zone, such as Europe/Paris"
    )
    sub.add_argument(
        "--returns", default="net", choices=RETURNS, help="negative units: subtract or drop (default: %(default)s)"
    )
    sub.add_argument(
        "--duplicates",
        default="",
        choices=DUPLICATES,
        help="duplicate rows: keep (add up) or drop (count once); default: drop only receipt lines in several files",
    )
    sub.add_argument(
        "--cancelled",
        default="keep",
        choices=CANCELLED,
        help="cancelled or refunded orders: keep or drop (default: %(default)s)",
    )
    sub.add_argument(
        "--odd-dates",
        default="",
        choices=ODD_DATES,
        help="rows with dates far from all others: keep or drop (default: refuse the files)",
    )


def parse_map(pairs: Sequence[str]) -> Mapping:
    """Parse texts such as `item=SKU` into role -> columns.

    Raises
    ------
    InputError
        if a text has another form or an unknown role.
    """
    mapping: Mapping = {}
    for pair in pairs:
        role, is_pair, columns = pair.partition("=")
        if not is_pair or role not in ROLES:
            raise InputError(f"--map {pair!r} is not valid.", f"Write ROLE=COLUMN with one of {', '.join(ROLES)}.")
        # A comma separates the columns of an item; in other roles it may be part of a column name.
        names = [name for name in (columns.split(",") if role == "item" else [columns]) if name]
        is_several = role in DRIVER_ROLES or role == "attribute"
        mapping[role] = [*(mapping.get(role, []) if is_several else []), *names]
    return mapping


def parse_where(pairs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Parse texts such as `state=Guayas` into columns and values.

    Raises
    ------
    InputError
        if a text has another form.
    """
    for pair in pairs:
        column, is_pair, value = pair.partition("=")
        if not is_pair or not column:
            raise InputError(f"--where {pair!r} is not valid.", "Write COLUMN=VALUE.")
        yield column, value


def parse_attributes(pairs: Sequence[str]) -> ItemFilter:
    """Parse texts such as `city=Quito` into an item filter.

    Raises
    ------
    InputError
        if a text has another form.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair or not name:
            raise InputError(f"--attribute {pair!r} is not valid.", "Write NAME=VALUE.")
        wanted[name] = (*wanted.get(name, ()), value)
    return ItemFilter(attributes=tuple(wanted.items()))


def print_reading(files: Sequence[FileRead]) -> None:
    """Print the column mapping and its reasons, once for all files that share it."""
    from fcst.services import loading

    for words, alike in groupby(files, key=loading.describe_reading):
        names = [file.name for file in alike]
        print_message(f"{names[0]}{f' and {len(names) - 1:,} more' if len(names) > 1 else ''}:")
        for line in words:
            print_message(f"  {line}")


def make_spec(args: argparse.Namespace, name: str, paths: tuple[str, ...] = ()) -> IngestSpec:
    """Make the spec from the arguments of reading and of the weekly rules; without paths, of a load from a source."""
    return IngestSpec(
        paths=paths,
        name=name,
        mapping=parse_map(args.map),
        date_format=args.date_format,
        decimal=args.decimal,
        zone=args.zone,
        encoding=args.encoding,
        file=args.file,
        where=tuple(parse_where(args.where)),
        include_promo=args.include_promo,
        returns=args.returns,
        duplicates=args.duplicates,
        cancelled=args.cancelled,
        odd_dates=args.odd_dates,
        week_end=args.week_end or "",
        skip_bad=args.skip_bad,
        is_from_shell=True,
        from_source=not paths,
    )


def report_ingest(ingest_id: int, as_json: bool) -> int:
    """Wait for an ingest, and print its dataset and the main findings, or the bad rows; return the exit code."""
    try:
        dataset = wait_for_ingest(ingest_id)
    except BadRows as exc:
        if as_json:
            print_json({"error": exc.message, "hint": exc.hint, "report": exc.report})
        for kind in exc.report.bad_rows.kinds:
            row = kind.first
            what = f"{row.column} {row.reason}".strip()
            print_message(f"{kind.n:,} rows: {what}; first in {row.file}, line {row.line}: {row.value!r}")
        raise
    if dataset is None:
        return FAILED
    print_message(
        f"Dataset {dataset.name!r} version {dataset.version}: {dataset.n_items:,} items, "
        f"{dataset.n_weeks:,} weeks to {dataset.last_wk_end_dt}, {dataset.total_units:,.0f} units."
    )
    _say_report(dataset.report)
    if as_json:
        print_json(dataset)
    return DONE


def _say_report(report: QualityReport) -> None:
    """Print the main findings of a quality report; `--json` prints all of it."""
    for line in report.change_lines():
        print_message(line)
    if report.n_totals:
        print_message(f"Left out {report.n_totals:,} rows of totals: {', '.join(report.totals)}.")
    for warning in report.warnings:
        print_message(warning)
    cancelled = report.cancelled
    if cancelled.n_rows:
        done = "were left out" if cancelled.is_dropped else "were counted (--cancelled drop leaves them out)"
        print_message(
            f"{cancelled.n_rows:,} rows of cancelled or refunded orders, {cancelled.units:,.0f} units, {done}."
        )
    if n := report.n_odd_dates:
        print_message(f"Left out {n:,} rows with dates far from all others.")
    if n := report.n_no_records:
        example = f", such as {report.no_records[0]!r}" if report.no_records else ""
        print_message(f"Left out {n:,} lines that are not records{example}.")
    if n := report.bad_rows.n:
        print_message(f"Left out {n:,} bad rows.")
    duplicates = report.duplicates
    if duplicates.n:
        done = "were counted once" if duplicates.n_dropped else "were added up (--duplicates drop counts them once)"
        print_message(f"{duplicates.n:,} duplicates ({duplicates.key}) {done}.")
    if n := report.n_flag_unknown:
        values = ", ".join(map(repr, report.unknown_flags))
        print_message(f"{n:,} rows have an unknown promotion flag ({values}). They count as not promoted.")


def wait_for_ingest(ingest_id: int) -> Dataset | None:
    """Wait for an ingest and print its progress; Ctrl-C cancels the ingest and returns None.

    Raises
    ------
    InputError
        if the file was refused; the message says why.
    """
    from fcst.services import loading

    try:
        return loading.wait_for_ingest(ingest_id, on_progress=lambda text: print_message(f"… {text}"))
    except KeyboardInterrupt:  # without this, the supervisor would continue the ingest
        loading.cancel_ingest(ingest_id)
        print_message("Cancelled; nothing was loaded.")
        return None
