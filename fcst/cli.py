"""The command line, `python -m fcst`: data on stdout, talk on stderr.

Exit codes: 0 did what it was asked, 1 ran and failed, 2 bad usage, bad input, or nothing to work with.
"""

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from fcst.errors import FcstError, InputError
from fcst.names import WEEKDAYS
from fcst.settings import limit_compute_threads, load_settings

DONE, FAILED, REFUSED = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except FcstError as exc:
        _say(f"{exc.message}\n{exc.hint}".strip())
        return REFUSED
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return DONE
    except KeyboardInterrupt:
        _say("Stopped.")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fcst", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    def takes_json(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--json", action="store_true", help="print one JSON document")

    command("migrate", _migrate, "create or upgrade the schema")

    sub = command("sample", _sample, "write a Favorita-shaped data set")
    sub.add_argument("dir", metavar="DIR", help="a folder without a train.csv")
    sub.add_argument("--items", type=int, default=200, metavar="N")
    sub.add_argument("--stores", type=int, default=2, metavar="N")
    sub.add_argument("--years", type=float, default=4.6, metavar="N")
    sub.add_argument("--seed", type=int, default=1, metavar="N")

    sub = command("ingest", _ingest, "read a file of sales and make a dataset of weekly item sales")
    sub.add_argument("path", metavar="PATH", help="a CSV file (.csv, .csv.gz), or a folder with train.csv")
    sub.add_argument("--name", help="the dataset's name (default: the file's)")
    sub.add_argument("--include-promo", action="store_true", help="keep promotional rows in unit sales")
    sub.add_argument("--week-end", default="SAT", choices=WEEKDAYS, help="the day on which weeks end")
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ROLE=COL",
        help="item=COL, date=COL, sales=COL or promo=COL; may be given several times",
    )
    takes_json(sub)

    sub = command("datasets", _datasets, "list the datasets")
    takes_json(sub)

    sub = command("submit", _submit, "submit a run; prints only its job id")
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest")
    chosen = sub.add_mutually_exclusive_group()
    chosen.add_argument("--items", type=int, metavar="N", help="the N largest sellers")
    chosen.add_argument("--item", action="append", metavar="ID", help="this item; may be given several times")
    chosen.add_argument("--all", action="store_true", help="all items (the default)")
    sub.add_argument("--models", default="auto", metavar="A,B", help="auto, or models by name")
    sub.add_argument("--horizon", type=int, default=13, metavar="WEEKS")
    sub.add_argument("--level", default="80,95", metavar="P,P", help="interval levels in percent")
    sub.add_argument("--batch-size", type=int, metavar="N", help="items of a batch")
    sub.add_argument("--name", default="", help="a name for the run")
    sub.add_argument("--wait", action="store_true", help="wait for its end; exit 1 unless every item completed")
    takes_json(sub)

    sub = command("status", _status, "how a run is doing; all runs without JOB")
    sub.add_argument("job", type=int, nargs="?", metavar="JOB")
    takes_json(sub)

    sub = command("batches", _batches, "the batches of a run")
    sub.add_argument("job", type=int, metavar="JOB")
    takes_json(sub)

    sub = command("cancel", _cancel, "stop a run; what is finished stays")
    sub.add_argument("job", type=int, metavar="JOB")

    sub = command("retry", _retry, "run the failed and cancelled items of a run again")
    sub.add_argument("job", type=int, metavar="JOB")

    sub = command("export", _export, "write the forecasts of a run")
    sub.add_argument("job", type=int, metavar="JOB")
    sub.add_argument("-o", "--output", metavar="FILE", help="default: stdout, for csv")
    sub.add_argument("--format", choices=("csv", "parquet"), help="default: as FILE ends, else csv")

    command("worker", _worker, "the supervisor in the foreground; Ctrl-C lets running batches finish")

    sub = command("doctor", _doctor, "what is configured, what is reachable, what is wrong")
    takes_json(sub)
    return parser


def _migrate(args: argparse.Namespace) -> int:
    from fcst.services.supervision import prepare_database

    applied = prepare_database()
    _say(f"Applied: {', '.join(applied)}." if applied else "The schema is up to date.")
    return DONE


def _sample(args: argparse.Namespace) -> int:
    from fcst.services.datasets import write_sample

    folder = Path(args.dir)
    write_sample(folder, n_items=args.items, n_stores=args.stores, years=args.years, seed=args.seed)
    _say(f"Wrote train.csv, items.csv and stores.csv to {folder}.")
    return DONE


def _ingest(args: argparse.Namespace) -> int:
    from fcst.services import datasets
    from fcst.specs import IngestSpec

    spec = IngestSpec(
        path=args.path,
        name=args.name if args.name is not None else datasets.default_name(args.path),
        include_promo=args.include_promo,
        week_end=args.week_end,
        **_parse_map(args.map),
    )
    _prepare()
    dataset = datasets.wait_for_ingest(datasets.request_ingest(spec), tell=lambda text: _say(f"… {text}"))
    _say(
        f"Dataset {dataset['name']!r} version {dataset['version']}: {dataset['n_items']:,} items, "
        f"{dataset['n_weeks']:,} weeks to {dataset['last_wk_end_dt']}, {dataset['total_units']:,.0f} units."
    )
    if args.json:
        _print_json(dataset)
    return DONE


def _parse_map(pairs: list[str]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for pair in pairs:
        role, is_pair, column = pair.partition("=")
        if not is_pair or role not in ("item", "date", "sales", "promo") or not column:
            raise InputError(f"--map {pair!r} cannot be read.", "Write item=COL, date=COL, sales=COL or promo=COL.")
        mapping[role] = column
    return mapping


def _datasets(args: argparse.Namespace) -> int:
    from fcst.services import datasets

    _prepare()
    rows = datasets.list_datasets()
    if args.json:
        _print_json(rows)
    else:
        _print_table(
            rows,
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

    level = _parse_levels(args.level)
    models = [name for name in args.models.split(",") if name.strip()]
    # What needs no database is refused first: a typing error must not start a server.
    jobs.make_spec(1 if args.items is None else args.items, models, args.horizon, level, args.batch_size)
    _prepare()
    dataset = datasets.find_dataset(args.dataset)
    if args.item:
        items = jobs.choose_named(dataset, args.item)
    else:
        items = jobs.choose_largest(dataset, dataset["n_items"] if args.items is None else args.items)
    spec = jobs.make_spec(len(items), models, args.horizon, level, args.batch_size)
    job_id = jobs.submit_job(dataset["dataset_id"], items, spec, name=args.name)
    job = jobs.wait_for_job(job_id) if args.wait else jobs.get_job(job_id)
    if args.json:
        _print_json(job)
    else:
        print(job_id, flush=True)
    if args.wait:
        _say(_summary(job))
        return DONE if job["status"] == "completed" and job["n_completed"] == job["n_items"] else FAILED
    return DONE


def _parse_levels(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"--level {text!r} cannot be read.", "Write whole percents, as in 80,95.") from None


def _status(args: argparse.Namespace) -> int:
    from fcst.services import jobs

    _prepare()
    if args.job is None:
        rows = jobs.list_jobs()
        if args.json:
            _print_json(rows)
        else:
            _print_table(
                rows,
                "job_id",
                "status",
                "dataset",
                "n_items",
                "n_completed",
                "n_failed",
                "n_cancelled",
                "submitted_at",
            )
        return DONE
    job = jobs.get_job(args.job)
    if args.json:
        _print_json(job)
    else:
        print(_summary(job))
        print(", ".join(f"{n} {stage}" for stage, n in sorted(job["batches"].items())))
    return DONE


def _summary(job: dict[str, Any]) -> str:
    parts = [f"Job {job['job_id']} is {job['status']}: {job['n_completed']:,} of {job['n_items']:,} items completed"]
    parts += [f"{job[f'n_{how}']:,} {how}" for how in ("failed", "cancelled") if job[f"n_{how}"]]
    if job["items_per_s"]:
        parts.append(f"{job['items_per_s']:.1f} items/s")
    if job["time_left_s"] is not None:
        parts.append(f"about {job['time_left_s']:.0f} s left")
    return ", ".join(parts) + "."


def _batches(args: argparse.Namespace) -> int:
    from fcst.services import jobs

    _prepare()
    jobs.get_job(args.job)
    rows = jobs.list_batches(args.job)
    if args.json:
        _print_json(rows)
    else:
        _print_table(
            rows,
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

    _prepare()
    is_new = jobs.cancel_job(args.job)
    _say(f"Job {args.job} stops; finished batches stay." if is_new else f"Job {args.job}: nothing left to stop.")
    return DONE


def _retry(args: argparse.Namespace) -> int:
    from fcst.services import jobs

    _prepare()
    n_items = jobs.retry_job(args.job)
    _say(f"Job {args.job}: {n_items:,} items run again." if n_items else f"Job {args.job}: nothing to run again.")
    return DONE


def _export(args: argparse.Namespace) -> int:
    from fcst.services import forecasts, jobs

    file_format = args.format or ("parquet" if (args.output or "").endswith(".parquet") else "csv")
    if args.output is None and file_format != "csv":
        raise InputError(f"A {file_format} file is not for the terminal.", "Name a file with -o FILE.")
    _prepare()
    jobs.get_job(args.job)
    if args.output is None:
        forecasts.write_csv(args.job, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        forecasts.export_job(args.job, Path(args.output), file_format)
        _say(f"Wrote {args.output}.")
    return DONE


def _worker(args: argparse.Namespace) -> int:
    limit_compute_threads()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    from fcst.engine.supervisor import run_supervisor

    _prepare()
    if not run_supervisor(load_settings()):
        _say("A supervisor is already running for this home and database.")
    return DONE


def _doctor(args: argparse.Namespace) -> int:
    from fcst.services import health

    checks = health.run_checks()
    if args.json:
        _print_json(health.as_dict(checks))
    else:
        for check in checks:
            print(f"{'ok' if check.is_ok else 'WRONG':<6}{check.name:<12}{check.text} {check.hint}".rstrip())
    return DONE if all(check.is_ok for check in checks) else FAILED


def _prepare() -> None:
    from fcst.services.supervision import prepare_database

    prepare_database()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print_json(value: Any) -> None:
    def plain(other: Any) -> Any:
        if isinstance(other, (date, datetime)):
            return other.isoformat()
        if dataclasses.is_dataclass(other) and not isinstance(other, type):
            return dataclasses.asdict(other)
        return str(other)

    print(json.dumps(value, default=plain, indent=1, ensure_ascii=False))


def _print_table(rows: list[dict[str, Any]], *columns: str) -> None:
    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M:%S}"
        return f"{value:,.1f}" if isinstance(value, float) else " ".join(str(value).split())

    lines = [list(columns), *([text(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
