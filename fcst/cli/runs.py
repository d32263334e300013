"""Commands of runs and their results: `submit`, `status`, `batches`, `cancel`, `retry`, `metrics`, `export`, …"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from fcst.cli.reading import parse_attributes
from fcst.errors import InputError
from fcst.export_formats import EXPORT_FORMATS
from fcst.filters import ALL_RUN_ITEMS, by_keys
from fcst.job_records import Job, Stall
from fcst.specs import JobSpec, parse_levels
from fcst.terminal import (
    DONE,
    FAILED,
    add_command,
    add_json_argument,
    prepare,
    print_json,
    print_message,
    print_output,
    print_table,
)


def add_commands(commands: Any) -> None:
    _add_submit(commands)
    command = partial(add_command, commands)

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


def _add_submit(commands: Any) -> None:
    sub = add_command(commands, "submit", _submit, "submit a run; prints only its job ID")
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
        print_output(str(job_id))
    if args.wait:
        print_message(_summary(job))
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
        print_output(_summary(job, is_stalled=stall is not None))
        print_output(", ".join(f"{n} {stage}" for stage, n in sorted(job.batches.items())))
        if stall is not None:
            print_output(
                f"Stalled since {stall.since.astimezone():%Y-%m-%d %H:%M:%S}. {stall.why} {stall.hint}".strip()
            )
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
    print_message(
        f"Cancelling run {args.job}; completed items are kept." if is_new else f"Run {args.job}: nothing to cancel."
    )
    return DONE


def _retry(args: argparse.Namespace) -> int:
    from fcst.services import jobs

    prepare()
    n_items = jobs.retry_job(args.job)
    print_message(
        f"Retrying {n_items:,} items of run {args.job}." if n_items else f"Run {args.job}: no items to retry."
    )
    return DONE


def _metrics(args: argparse.Namespace) -> int:
    from fcst.services import accuracy, jobs

    prepare()
    frame = accuracy.list_accuracy(jobs.get_job(args.job), args.by)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if args.json:
        print_json(rows)
    elif not rows:
        print_message(f"Run {args.job} has no accuracy by {args.by}: no backtest, short histories, or an old run.")
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
    print_message(
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
        which = by_keys(*args.item) if args.item else ALL_RUN_ITEMS
        exports.write_export(job, sys.stdout.buffer, file_format, which)
        sys.stdout.buffer.flush()
    else:
        exports.export_job(args.job, Path(args.output), file_format, args.item)
        print_message(f"Wrote {args.output}.")
    return DONE
