"""The command `final-plan`: export the final plan of a run as a wide file, and save an edited file."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from fcst.errors import InputError
from fcst.export_formats import PLAN_FORMATS
from fcst.periods import Period
from fcst.terminal import DONE, add_command, add_json_argument, prepare, print_json, print_message, print_table

ON_CONFLICT = ("refuse", "keep", "overwrite")


def add_commands(commands: Any) -> None:
    """Add the command to the command line."""
    sub = partial(add_command, commands)(
        "final-plan", _final_plan, "export the final plan of a run as a wide file, or save an edited one"
    )
    sub.add_argument("job", type=int, metavar="JOB")
    sub.add_argument("--model", default="", metavar="MODEL", help="default: the first model of the run")
    sub.add_argument("-o", "--output", metavar="FILE", help="output file (default: stdout; csv only)")
    sub.add_argument("--format", choices=PLAN_FORMATS, help="default: by the suffix of FILE, otherwise csv")
    sub.add_argument(
        "--by", choices=tuple(Period), default=str(Period.WEEK), help="one column per period (default: %(default)s)"
    )
    sub.add_argument("--upload", metavar="FILE", help="edited file; its changed cells are saved as one adjustment")
    sub.add_argument("--reason", default="", metavar="TEXT", help="reason for the changes")
    sub.add_argument("--dry-run", action="store_true", help="show the changes without saving them")
    sub.add_argument("--skip-bad", action="store_true", help="save the valid cells of a file that also has bad cells")
    sub.add_argument(
        "--on-conflict",
        choices=ON_CONFLICT,
        default="refuse",
        help="cells that others changed since the download: refuse the file, keep their values, or overwrite them "
        "(default: %(default)s)",
    )
    add_json_argument(sub)


def _final_plan(args: argparse.Namespace) -> int:
    if args.upload is not None:
        return _upload(args)
    from fcst.services import jobs, plan_workbook

    ending = Path(args.output or "").suffix[1:].lower()
    file_format = args.format or ("xlsx" if ending == "xlsx" else "csv")
    if args.output is None and file_format != "csv":
        raise InputError(f"The format {file_format} cannot be written to stdout.", "Name a file with -o FILE.")
    prepare()
    period = Period(args.by)
    if args.output is None:
        job = jobs.get_job(args.job)
        plan_workbook.write_plan(job, args.model or job.spec.models[0], sys.stdout.buffer, "csv", period)
        sys.stdout.buffer.flush()
    else:
        plan_workbook.save_plan(args.job, Path(args.output), file_format, period, args.model)
        print_message(f"Wrote {args.output}.")
    return DONE


def _upload(args: argparse.Namespace) -> int:
    from fcst.services import identity, jobs
    from fcst.services.plan_comparison import count_cells
    from fcst.services.plan_upload import ConflictPolicy, read_plan_file, save_plan_file

    path = Path(args.upload)
    prepare()
    job = jobs.get_job(args.job)
    model = args.model or job.spec.models[0]
    try:
        with path.open("rb") as file:
            upload = read_plan_file(job, model, file, path.name)
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.", "Check the path.") from exc
    for bad in upload.bad:
        print_message(f"{bad.cell}: {bad.why}")
    if upload.n_bad > len(upload.bad):
        print_message(f"… and {count_cells(upload.n_bad - len(upload.bad))} more")
    for remark in upload.remarks:
        print_message(remark)
    found: dict[str, Any] = {
        "adjustment_id": None,
        "n_rows": upload.n_rows,
        "n_unchanged": upload.n_unchanged,
        "n_empty": upload.n_empty,
        "n_bad": upload.n_bad,
        "bad": upload.bad,
        "remarks": upload.remarks,
        "changes": upload.changes,
    }
    if args.dry_run or (upload.n_bad and not args.skip_bad):
        _print(args, found)
        if upload.n_bad and not args.skip_bad:
            raise InputError(
                f"{count_cells(upload.n_bad)} cannot be used.", "Correct them, or leave them out (--skip-bad)."
            )
        print_message(f"Would change: {count_cells(len(upload.changes))}. Nothing was saved.")
        return DONE
    on_conflict = ConflictPolicy(args.on_conflict)
    made_by = identity.current().name
    found["adjustment_id"] = save_plan_file(job, model, upload, args.reason, made_by, args.skip_bad, on_conflict)
    _print(args, found)
    print_message(f"Saved as adjustment {found['adjustment_id']}.")
    return DONE


def _print(args: argparse.Namespace, found: dict[str, Any]) -> None:
    if args.json:
        print_json(found)
    elif found["changes"]:
        print_table(map(vars, found["changes"]), "key", "period", "before", "after", "cell", "has_conflict")
