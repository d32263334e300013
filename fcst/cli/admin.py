"""The operator's commands: schema, backups, old runs, the supervisor, what is wrong."""

import argparse
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

from fcst import logs
from fcst.dataset_records import UnusedDataset
from fcst.errors import FcstError, InputError, NoRoom, StoreError
from fcst.files import PRIVATE_UMASK
from fcst.job_records import EndedJob
from fcst.roles import Scope
from fcst.settings import limit_compute_threads, load_settings
from fcst.terminal import (
    DONE,
    FAILED,
    Progress,
    add_command,
    confirms,
    prepare,
    print_json,
    print_table,
    say,
    say_error,
    show,
    takes_json,
)

log = logging.getLogger(__name__)


def add_commands(commands: Any) -> None:
    """Adds them to the command line."""
    command = partial(add_command, commands)

    command("migrate", _migrate, "create or upgrade the schema")

    sub = command("backup", _backup, "write all that is in the database to a file, while work goes on")
    sub.add_argument("file", metavar="FILE")
    sub.add_argument("--replace", action="store_true", help="replace a file that is there")
    sub.add_argument(
        "--with-uploads", action="store_true", help="with the uploaded files of loads that wait or had bad rows"
    )

    sub = command("restore", _restore, "bring back what a backup holds, in place of what is there")
    sub.add_argument("file", metavar="FILE", help="a backup that you trust: it can run any SQL")
    sub.add_argument("--replace", action="store_true", help="delete what is in the database")

    sub = command("prune", _prune, "delete old runs that have ended, with their forecasts")
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("--older-than", type=int, metavar="DAYS", help="runs that ended more than DAYS days ago")
    which.add_argument("--keep", type=int, metavar="N", help="all but the N that ended last")
    sub.add_argument(
        "--datasets",
        action="store_true",
        help="also versions of datasets that no run is left of, and of which there is a newer one",
    )
    sub.add_argument("--dry-run", action="store_true", help="only tell what would go")
    sub.add_argument("--yes", action="store_true", help="do not ask")
    takes_json(sub)

    sub = command("delete", _delete, "delete a dataset with all its runs and their forecasts")
    sub.add_argument("dataset", metavar="NAME")
    sub.add_argument("--version", type=int, metavar="N", help="default: the newest")
    sub.add_argument("--yes", action="store_true", help="do not ask")

    what = "make, list and revoke the tokens by which programs are let in"
    deeds = commands.add_parser("token", help=what, description=what).add_subparsers(required=True, metavar="DEED")
    deed = partial(add_command, deeds)
    sub = deed("create", _create_token, "make one, which is printed once and never again")
    sub.add_argument("name", metavar="NAME", help="the program that it is for; what it does is known by it")
    sub.add_argument("--scope", default=Scope.READ, choices=list(Scope), help="what it may do (default: %(default)s)")
    sub.add_argument("--days", type=int, metavar="N", help="days after which it ends (default: never)")
    takes_json(deed("list", _list_tokens, "list them, without what would let anybody in"))
    sub = deed("revoke", _revoke_token, "end one at once")
    sub.add_argument("token", type=int, metavar="ID")

    sub = command("sign-out", _sign_out, "end all sign-ins that a person has now")
    sub.add_argument("person", metavar="PERSON", help="the address with which they sign in")

    sub = command("actions", _actions, "who submitted, stopped, changed and deleted what")
    sub.add_argument("--limit", type=int, default=100, metavar="N", help="the newest N (default: %(default)s)")
    takes_json(sub)

    sub = command("worker", _worker, "the supervisor in the foreground; Ctrl-C lets running batches finish")
    sub.add_argument("--log", metavar="FILE", help="write the log to FILE, rotated, instead of to stderr")

    sub = command("doctor", _doctor, "what is configured, what is reachable, what is wrong")
    takes_json(sub)


def _migrate(args: argparse.Namespace) -> int:
    applied = prepare()
    say(f"Applied: {', '.join(applied)}." if applied else "The schema is up to date.")
    return DONE


def _backup(args: argparse.Namespace) -> int:
    from fcst.services import backups

    path = Path(args.file)
    backups.check_target(path, args.replace)  # a typing error must not start a server
    prepare()
    try:
        contents = backups.back_up(path, args.replace, args.with_uploads, partial(Progress().show_share, "writing"))
    except (StoreError, NoRoom) as exc:
        say_error(exc)
        return FAILED
    say(f"Wrote {path} ({path.stat().st_size / 1e6:,.1f} MB): {contents}.")
    return DONE


def _restore(args: argparse.Namespace) -> int:
    from fcst.services import backups

    contents = backups.look_into(Path(args.file))
    say(f"{args.file} holds {contents}.")
    prepare()
    try:
        progress = Progress()
        applied = backups.restore(
            Path(args.file), args.replace, partial(progress.show_share, "restoring"), progress.show
        )
    except (StoreError, NoRoom) as exc:
        say_error(exc)
        return FAILED
    say("Restored." + (f" The schema was brought up to date: {', '.join(applied)}." if applied else ""))
    return DONE


def _prune(args: argparse.Namespace) -> int:
    from fcst.services import pruning

    prepare()
    runs = pruning.list_runs(args.older_than, args.keep)
    versions = pruning.list_datasets(runs) if args.datasets else []
    if not args.dry_run and (runs or versions):
        say(f"To be deleted: {_count(runs, versions)}.")
        if not confirms("Delete them?", args.yes):
            say("Nothing was deleted.")
            return FAILED
        runs = pruning.delete_runs(
            runs, lambda run: say(f"… deleting run {run.job_id} and its forecasts of {run.n_items:,} items")
        )
        versions = pruning.delete_datasets(
            versions, lambda row: say(f"… deleting {row.name!r} version {row.version} of {row.n_items:,} items")
        )
    if args.json:
        print_json({"is_dry_run": args.dry_run, "runs": runs, "datasets": versions})
    else:
        if runs:
            print_table(map(vars, runs), "job_id", "name", "dataset", "status", "n_items", "finished_at")
        if versions:
            print_table([vars(row) for row in versions], "dataset_id", "name", "version", "n_items", "created_at")
    say(f"{'Would be deleted' if args.dry_run else 'Deleted'}: {_count(runs, versions)}.")
    return DONE


def _count(runs: list[EndedJob], versions: list[UnusedDataset]) -> str:
    n_items = sum(run.n_items for run in runs)
    return f"runs {len(runs):,} (forecasts of {n_items:,} items), versions of datasets {len(versions):,}"


def _delete(args: argparse.Namespace) -> int:
    from fcst.services import datasets

    prepare()
    versions = datasets.list_versions(args.dataset)
    found = [row for row in versions if args.version in (None, row.version)]
    if not found:
        raise InputError(f"There is no dataset {args.dataset!r} of that version.", "`datasets` lists what there is.")
    row = found[0]
    dependents = datasets.count_dependents(row.dataset_id)
    say(
        f"Dataset {row.name!r} version {row.version}: {row.n_items:,} items, {row.n_weeks:,} weeks; "
        f"with it go {dependents.n_jobs:,} runs and the forecasts of {dependents.n_forecasts:,} items."
    )
    if not confirms("Delete it?", args.yes):
        say("Nothing was deleted.")
        return FAILED
    say("… deleting; Ctrl-C leaves all as it is")
    datasets.delete_dataset(row.dataset_id)
    say("Deleted.")
    return DONE


def _create_token(args: argparse.Namespace) -> int:
    from fcst.services import tokens

    prepare()
    show(tokens.create_token(args.name, args.scope, args.days))
    say("Keep it where only the program can read it: it cannot be shown again.")
    return DONE


def _list_tokens(args: argparse.Namespace) -> int:
    from fcst.services import tokens

    prepare()
    rows = tokens.list_tokens()
    if args.json:
        print_json(rows)
    else:
        print_table(map(vars, rows), "token_id", "name", "scope", "state", "created_at", "expires_at", "last_used_at")
    return DONE


def _revoke_token(args: argparse.Namespace) -> int:
    from fcst.services import tokens

    prepare()
    tokens.revoke_token(args.token)
    say(f"Token {args.token} lets nobody in any more.")
    return DONE


def _sign_out(args: argparse.Namespace) -> int:
    from fcst.services import sign_ins

    prepare()
    person = sign_ins.sign_out_person(args.person)
    say(f"All sign-ins of {person} have ended. To keep them out, take their role away or close their account.")
    return DONE


def _actions(args: argparse.Namespace) -> int:
    from fcst.services import actions

    prepare()
    rows = actions.list_actions(limit=args.limit)
    if args.json:
        print_json(rows)
    else:
        print_table(map(vars, rows), "at", "who", "action", "noun", "number", "words")
    return DONE


def _worker(args: argparse.Namespace) -> int:
    os.umask(PRIVATE_UMASK)
    limit_compute_threads()
    logs.configure(Path(args.log) if args.log else None)
    try:
        from fcst.engine.supervisor import run_supervisor
        from fcst.services.supervision import patiently, prepare_database

        settings = load_settings()
        # One that the operator runs may be started together with its database.
        patiently(prepare_database) if settings.is_worker_external else prepare_database()
        if not run_supervisor(settings):
            say("A supervisor is already running for this home and database.")
    except Exception as exc:
        if args.log:  # else stderr, where the error goes now, is the log
            unknown = None if isinstance(exc, FcstError) else exc
            text = str(exc) if unknown is None else f"{type(exc).__name__}: {exc}"
            logs.event(log, logging.ERROR, "supervisor_failed", text, exc_info=unknown or False)
        raise
    # Not by way of the interpreter's end, which waits for worker processes that somebody may have frozen.
    logging.shutdown()
    os._exit(DONE)


def _doctor(args: argparse.Namespace) -> int:
    from fcst.services import health

    checks = health.run_checks(is_thorough=True)
    if args.json:
        print_json(health.as_dict(checks))
    else:
        for check in checks:
            show(f"{'ok' if check.is_ok else 'WRONG':<6}{check.name:<12}{check.text} {check.hint}".rstrip())
    return DONE if all(check.is_ok for check in checks) else FAILED
