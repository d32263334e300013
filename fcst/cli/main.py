"""The command line, `python -m fcst`: data on stdout, messages on stderr.

Exit codes: 0 success, 1 failure while running, 2 bad usage, bad input, or a missing resource such as the database.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fcst.cli import admin, attributes, drivers, lifecycles, plans, serve, stock
from fcst.cli.reading import (
    add_reading_arguments,
    parse_attributes,
    parse_map,
    parse_where,
    print_reading,
    wait_for_ingest,
)
from fcst.errors import BadRows, FcstError, InputError
from fcst.files import disk_full_error, is_full
from fcst.filters import EVERY, only
from fcst.job_records import Job, Stall
from fcst.names import EXPORT_FORMATS, WEEKDAYS
from fcst.quality_report import QualityReport
from fcst.services import identity
from fcst.specs import CANCELLED, DUPLICATES, ODD_DATES, RETURNS, JobSpec, parse_levels
from fcst.terminal import (
    DONE,
    FAILED,
    REFUSED,
    Parser,
    add_command,
    add_json_argument,
    prepare,
    print_json,
    print_table,
    say,
    say_error,
    show,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = _parser().parse_args(argv)
    try:
        with identity.acting_as(identity.operator()):
            return int(args.run(args))
    except FcstError as exc:
        say_error(exc)
        return REFUSED
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        sys.stderr.close()
        return DONE
    except OSError as exc:
        if not is_full(exc):
            raise
        say_error(disk_full_error("the output of the command", "the output folder"))
        return REFUSED
    except KeyboardInterrupt:
        say("Stopped.")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    prog = "fcst" if Path(sys.argv[0]).name == "fcst" else "python -m fcst"
    parser = Parser(prog=prog, description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = partial(add_command, commands)

    serve.add_commands(commands)

    sub = command("sample", _sample, "write a sample dataset in the Favorita format")
    sub.add_argument("dir", metavar="DIR", help="target folder; must not contain a train.csv")
    sub.add_argument("--items", type=int, default=200, metavar="N")
    sub.add_argument("--stores", type=int, default=2, metavar="N")
    sub.add_argument("--years", type=float, default=4.6, metavar="N")
    sub.add_argument("--seed", type=int, default=1, metavar="N")
    sub.add_argument(
        "--drivers",
        action="store_true",
        help="instead write weekly sales with promotions, prices, events and stock-outs, a plan, and the true effects",
    )

    sub = command("ingest", _ingest, "load sales files into a dataset of weekly sales per item")
    sub.add_argument(
        "paths", metavar="PATH", nargs="+", help="CSV, Excel, Parquet, .gz, .zip, .7z, or a folder of these"
    )
    sub.add_argument("--name", help="dataset name (default: the file name)")
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
    add_reading_arguments(sub)
    add_json_argument(sub)

    sub = command("datasets", _datasets, "list datasets")
    add_json_argument(sub)

    sub = command("submit", _submit, "submit a run; prints only its job ID")
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest")
    chosen = sub.add_mutually_exclusive_group()
    chosen.add_argument("--items", type=int, metavar="N", help="the N largest sellers")
    chosen.add_argument("--item", action="append", metavar="ID", help="this item; repeatable")
    chosen.add_argument("--all", action="store_true", help="all items (the default)")
    sub.add_argument(
        "--attribute",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="only items with this value of an attribute, such as city=Quito; repeatable",
    )
    sub.add_argument("--models", default="auto", metavar="A,B", help="auto, or model names (default: %(default)s)")
    sub.add_argument("--horizon", type=int, default=13, metavar="WEEKS")
    sub.add_argument("--level", default="80,95", metavar="P,P", help="interval levels in percent")
    sub.add_argument("--batch-size", type=int, metavar="N", help="items per batch")
    sub.add_argument(
        "--backtest",
        type=int,
        default=JobSpec.n_windows,
        metavar="N",
        help="backtest windows of 13 weeks for measuring accuracy (default: %(default)s; 0: no backtest)",
    )
    sub.add_argument(
        "--skip-stockouts",
        action="store_true",
        help="treat weeks without sales that look like stock-outs as missing, not as zero: forecasts demand, not sales",
    )
    sub.add_argument("--name", default="", help="run name")
    sub.add_argument("--wait", action="store_true", help="wait until the run ends; exit 1 unless every item completed")
    add_json_argument(sub)

    sub = command("status", _status, "show the status of a run, or list all runs")
    sub.add_argument("job", type=int, nargs="?", metavar="JOB")
    add_json_argument(sub)

    sub = command("batches", _batches, "list the batches of a run")
    sub.add_argument("job", type=int, metavar="JOB")
    add_json_argument(sub)

    sub = command("cancel", _cancel, "cancel a run; completed items are kept")
    sub.add_argument("job", type=int, metavar="JOB")

    sub = command("retry", _retry, "retry the failed and cancelled items of a run")
    sub.add_argument("job", type=int, metavar="JOB")

    sub = command("metrics", _metrics, "show the accuracy of a run in backtests")
    sub.add_argument("job", type=int, metavar="JOB")
    sub.add_argument(
        "--by",
        default="model",
        metavar="WHAT",
        help="model, item, family, demand_class, window or horizon (default: %(default)s)",
    )
    add_json_argument(sub)

    sub = command("lost-sales", _lost_sales, "estimate the sales that items of a run lost to past stock-outs")
    sub.add_argument("job", type=int, metavar="JOB")
    sub.add_argument(
        "--limit",
        type=int,
        default=100,
        metavar="N",
        help="number of items, largest losses first (default: %(default)s)",
    )
    add_json_argument(sub)

    sub = command("export", _export, "export the forecasts of a run")
    sub.add_argument("job", type=int, metavar="JOB")
    sub.add_argument("-o", "--output", metavar="FILE", help="output file (default: stdout; csv only)")
    sub.add_argument("--format", choices=EXPORT_FORMATS, help="default: by the suffix of FILE, otherwise csv")
    sub.add_argument("--item", action="append", metavar="ID", help="only this item; repeatable")

    plans.add_commands(commands)
    drivers.add_commands(commands)
    lifecycles.add_commands(commands)
    attributes.add_commands(commands)
    stock.add_commands(commands)
    admin.add_commands(commands)
    return parser


def _sample(args: argparse.Namespace) -> int:
    from fcst.services.loading import write_driver_sample, write_sample

    folder = Path(args.dir)
    if args.drivers:
        write_driver_sample(folder, n_items=args.items, n_weeks=round(args.years * 52), seed=args.seed)
        say(f"Wrote sales.csv, plan.csv, actual.csv and truth.csv to {folder}.")
        return DONE
    write_sample(folder, n_items=args.items, n_stores=args.stores, years=args.years, seed=args.seed)
    say(f"Wrote train.csv, items.csv and stores.csv to {folder}.")
    return DONE


def _ingest(args: argparse.Namespace) -> int:
    from fcst.services import loading
    from fcst.specs import IngestSpec

    spec = IngestSpec(
        paths=tuple(args.paths),
        name=args.name if args.name is not None else loading.default_name(args.paths[0]),
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
    )
    look = loading.inspect_files(spec)
    files = loading.check_files(spec, look)  # before the server starts: a typing error must not start it
    prepare()
    spec, remembered = loading.fill_mapping(spec, look)
    if remembered:
        say(f"Column mapping reused from dataset {remembered}.")
        files = loading.check_files(spec, look)
    print_reading(files)
    ingest_id = loading.request_ingest(spec, look)
    try:
        dataset = wait_for_ingest(ingest_id)
    except BadRows as exc:
        if args.json:
            print_json({"error": exc.message, "hint": exc.hint, "report": exc.report})
        for kind in exc.report.bad_rows.kinds:
            row = kind.first
            what = f"{row.column} {row.reason}".strip()
            say(f"{kind.n:,} rows: {what}; first in {row.file}, line {row.line}: {row.value!r}")
        raise
    if dataset is None:
        return FAILED
    say(
        f"Dataset {dataset.name!r} version {dataset.version}: {dataset.n_items:,} items, "
        f"{dataset.n_weeks:,} weeks to {dataset.last_wk_end_dt}, {dataset.total_units:,.0f} units."
    )
    _say_report(dataset.report)
    if args.json:
        print_json(dataset)
    return DONE


def _say_report(report: QualityReport) -> None:
    """Print the main findings of a quality report; `--json` prints all of it."""
    if same := report.same_as_version:
        say(f"No change: same weekly sales as version {same}.")
    if report.n_totals:
        say(f"Left out {report.n_totals:,} rows of totals: {', '.join(report.totals)}.")
    for doubt in report.doubts:
        say(doubt)
    cancelled = report.cancelled
    if cancelled.n_rows:
        done = "were left out" if cancelled.is_dropped else "were counted (--cancelled drop leaves them out)"
        say(f"{cancelled.n_rows:,} rows of cancelled or refunded orders, {cancelled.units:,.0f} units, {done}.")
    if n := report.n_odd_dates:
        say(f"Left out {n:,} rows with dates far from all others.")
    if n := report.n_no_records:
        example = f", such as {report.no_records[0]!r}" if report.no_records else ""
        say(f"Left out {n:,} lines that are not records{example}.")
    if n := report.bad_rows.n:
        say(f"Left out {n:,} bad rows.")
    duplicates = report.duplicates
    if duplicates.n:
        done = "were counted once" if duplicates.n_dropped else "were added up (--duplicates drop counts them once)"
        say(f"{duplicates.n:,} duplicates ({duplicates.key}) {done}.")
    if n := report.n_flag_unknown:
        values = ", ".join(map(repr, report.unknown_flags))
        say(f"{n:,} rows have an unknown promotion flag ({values}). They count as not promoted.")


def _datasets(args: argparse.Namespace) -> int:
    from fcst.services import datasets

    prepare()
    rows = datasets.list_datasets()
    if args.json:
        print_json(rows)
    else:
        print_table(
            [vars(row) for row in rows],
            "dataset_id",
            "name",
            "version",
            "n_items",
            "n_weeks",
            "last_wk_end_dt",
            "total_units",
            "created_at",
        )
    return DONE


def _submit(args: argparse.Namespace) -> int:
    from fcst.services import datasets, jobs

    level = parse_levels([part for part in args.level.split(",") if part.strip()])
    models = [name for name in args.models.split(",") if name.strip()]
    # Check what needs no database first: a typing error must not start the server.
    options = (models, args.horizon, level, args.batch_size, args.backtest, args.skip_stockouts)
    jobs.make_spec(1 if args.items is None else args.items, *options)
    wanted = parse_attributes(args.attribute)
    if wanted and args.item:
        raise InputError("--item and --attribute cannot be combined.", "Give only one of them.")
    prepare()
    dataset = datasets.find_dataset(args.dataset)
    if args.item:
        items = jobs.choose_named(dataset, args.item)
    else:
        items = jobs.choose_largest(dataset, dataset.n_items if args.items is None else args.items, wanted)
    n_items = jobs.count_chosen(dataset.dataset_id, items)
    spec = jobs.make_spec(n_items, *options)
    job_id = jobs.submit_job(dataset.dataset_id, items, spec, name=args.name)
    job = jobs.wait_for_job(job_id) if args.wait else jobs.get_job(job_id)
    if args.json:
        print_json(job)
    else:
        show(str(job_id))
    if args.wait:
        say(_summary(job))
        return DONE if job.status == "completed" and job.n_completed == job.n_items else FAILED
    return DONE


def _status(args: argparse.Namespace) -> int:
    from fcst.services import health, jobs

    prepare()
    found = jobs.list_jobs() if args.job is None else [jobs.get_job(args.job)]
    stalls = health.find_stalls(found)
    rows = [vars(job) | _stall_fields(stalls.get(job.job_id)) for job in found]
    if args.json:
        print_json(rows if args.job is None else rows[0])
    elif args.job is None:
        print_table(
            rows,
            "job_id",
            "status",
            "dataset",
            "n_items",
            "n_completed",
            "n_failed",
            "n_cancelled",
            "submitted_at",
            "stalled_since",
        )
    else:
        (job,), stall = found, stalls.get(args.job)
        show(_summary(job, is_stalled=stall is not None))
        show(", ".join(f"{n} {stage}" for stage, n in sorted(job.batches.items())))
        if stall is not None:
            show(f"Stalled since {stall.since.astimezone():%Y-%m-%d %H:%M:%S}. {stall.why} {stall.hint}".strip())
    return DONE


def _stall_fields(stall: Stall | None) -> dict[str, Any]:
    """The stall columns of a run's row. A stalled run has no estimate of the time left."""
    if stall is None:
        return {"stalled_since": None, "stalled_why": None, "stalled_hint": None}
    return {"stalled_since": stall.since, "stalled_why": stall.why, "stalled_hint": stall.hint, "time_left_s": None}


def _summary(job: Job, is_stalled: bool = False) -> str:
    parts = [f"Run {job.job_id} is {job.status}: {job.n_completed:,} of {job.n_items:,} items completed"]
    parts += [f"{n:,} {how}" for n, how in ((job.n_failed, "failed"), (job.n_cancelled, "cancelled")) if n]
    if job.items_per_s:
        parts.append(f"{job.items_per_s:.1f} items/s")
    if job.time_left_s is not None and not is_stalled:
        parts.append(f"about {job.time_left_s:.0f} s left")
    return ", ".join(parts) + "."


def _batches(args: argparse.Namespace) -> int:
    from fcst.services import jobs

    prepare()
    jobs.get_job(args.job)
    rows = jobs.list_batches(args.job)
    if args.json:
        print_json(rows)
    else:
        print_table(
            map(vars, rows),
            "batch_id",
            "stage",
            "attempt",
            "worker",
            "n_items",
            "n_completed",
            "n_failed",
            "seconds",
            "error",
        )
    return DONE


def _cancel(args: argparse.Namespace) -> int:
    from fcst.services import jobs

    prepare()
    is_new = jobs.cancel_job(args.job)
    say(f"Cancelling run {args.job}; completed items are kept." if is_new else f"Run {args.job}: nothing to cancel.")
    return DONE


def _retry(args: argparse.Namespace) -> int:
    from fcst.services import jobs

    prepare()
    n_items = jobs.retry_job(args.job)
    say(f"Retrying {n_items:,} items of run {args.job}." if n_items else f"Run {args.job}: no items to retry.")
    return DONE


def _metrics(args: argparse.Namespace) -> int:
    from fcst.services import accuracy, jobs

    prepare()
    frame = accuracy.list_accuracy(jobs.get_job(args.job), args.by)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if args.json:
        print_json(rows)
    elif not rows:
        say(f"Run {args.job} has no accuracy by {args.by}: no backtest, short histories, or an old run.")
    else:
        table = [{key: _number(value) if key != args.by else value for key, value in row.items()} for row in rows]
        print_table(table, *frame)
    return DONE


def _lost_sales(args: argparse.Namespace) -> int:
    from fcst.services import jobs, lost_sales

    if args.limit < 1:
        raise InputError(f"--limit {args.limit} is too small.", "Give a whole number of 1 or more.")
    prepare()
    job = jobs.get_job(args.job)
    totals, items = lost_sales.sum_lost_sales(job), lost_sales.list_lost_sales(job, args.limit)
    rows = [{**vars(item), "share": item.share} for item in items]
    if args.json:
        print_json({**vars(totals), "share": totals.share, "items": rows})
        return DONE
    say(
        f"Run {args.job}: {totals.n_items:,} items were out of stock for {totals.n_weeks:,} weeks and lost about "
        f"{totals.units:,.0f} units; {totals.n_items_suspected:,} items have {totals.n_weeks_suspected:,} suspected "
        "stock-out weeks."
    )
    table = [{**row, "units": round(row["units"], 1), "share": _number(row["share"])} for row in rows]
    print_table(table, "unique_id", "family", "n_weeks", "units", "share", "n_suspected")
    return DONE


def _number(value: Any) -> Any:
    return "undefined" if value is None else f"{value:.4f}" if isinstance(value, float) else value


def _export(args: argparse.Namespace) -> int:
    from fcst.services import exports, jobs

    ending = Path(args.output or "").suffix[1:].lower()
    file_format = args.format or (ending if ending in EXPORT_FORMATS else "csv")
    if args.output is None and file_format != "csv":
        raise InputError(f"The format {file_format} cannot be written to stdout.", "Name a file with -o FILE.")
    prepare()
    job = jobs.get_job(args.job)
    if args.output is None:
        exports.check_items(args.job, args.item or [])
        which = only(*args.item) if args.item else EVERY
        exports.write_export(job, sys.stdout.buffer, file_format, which)
        sys.stdout.buffer.flush()
    else:
        exports.export_job(args.job, Path(args.output), file_format, args.item)
        say(f"Wrote {args.output}.")
    return DONE
