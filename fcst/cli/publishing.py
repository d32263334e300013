"""`fcst publish`, `published` and `withdraw`: the published plan of each dataset."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from fcst.errors import InputError
from fcst.terminal import DONE, add_command, add_json_argument, prepare, print_json, print_message, print_table


def add_commands(commands: Any) -> None:
    command = partial(add_command, commands)

    sub = command("publish", _publish, "publish the final plan of a run; it is kept as it is")
    sub.add_argument("job", type=int, metavar="JOB")
    sub.add_argument("--model", default="", help="default: the first model of the run")
    add_json_argument(sub)

    sub = command("published", _published, "list published plans, or write the published plan of a dataset")
    sub.add_argument("name", nargs="?", metavar="NAME", help="name of a dataset")
    sub.add_argument("-o", "--output", metavar="FILE", help="write the published plan of NAME as CSV; - is stdout")
    add_json_argument(sub)

    sub = command("withdraw", _withdraw, "delete a published plan; the one before it becomes the published plan")
    sub.add_argument("plan", type=int, metavar="PLAN")


def _publish(args: argparse.Namespace) -> int:
    from fcst.services import publishing

    prepare()
    plan = publishing.publish(args.job, args.model)
    print_message(
        f"Published plan {plan.plan_id} of {plan.dataset!r}: {plan.n_items:,} items, {plan.final:,.0f} units in "
        f"{plan.h} weeks from {plan.first_wk_end_dt}."
    )
    if args.json:
        print_json(plan)
    return DONE


def _published(args: argparse.Namespace) -> int:
    from fcst.services import publishing
    from fcst.services.atomic_files import open_atomic

    if args.output is not None and args.name is None:
        raise InputError("No dataset was named.", "Name the dataset whose published plan is written.")
    prepare()
    if args.output == "-":
        publishing.write_plan(publishing.find_current(args.name), sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return DONE
    if args.output is not None:
        plan = publishing.find_current(args.name)
        with open_atomic(Path(args.output)) as out:
            publishing.write_plan(plan, out)
        print_message(f"Wrote plan {plan.plan_id} to {args.output}.")
        return DONE
    plans = publishing.list_plans(args.name)
    if args.json:
        print_json(plans)
    else:
        print_table(
            map(vars, plans), "plan_id", "dataset", "run_no", "model", "n_items", "final", "first_wk_end_dt", "h",
            "published_by", "published_at", "is_current",
        )  # fmt: skip
    return DONE


def _withdraw(args: argparse.Namespace) -> int:
    from fcst.services import publishing

    prepare()
    publishing.withdraw(args.plan)
    print_message(f"Withdrew published plan {args.plan}.")
    return DONE
