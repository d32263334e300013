"""Operator commands: migrations, backups, pruning, API tokens, sign-outs, audit log, supervisor, health checks."""

import argparse
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

from fcst import logs
from fcst.dataset_records import UnusedDataset
from fcst.errors import DiskFull, FcstError, InputError, StoreError
from fcst.files import PRIVATE_UMASK
from fcst.job_records import EndedJob
from fcst.roles import Scope
from fcst.settings import limit_compute_threads, load_settings
from fcst.terminal import (
    DONE,
    FAILED,
    Progress,
    add_command,
    add_json_argument,
    confirm,
    prepare,
    print_json,
    print_message,
    print_output,
    print_table,
    say_error,
)

log = logging.getLogger(__name__)


def add_commands(commands: Any) -> None:
    """Add the commands to the command line."""
    command = partial(add_command, commands)

    command("migrate", _migrate, "create or upgrade the database schema")

    sub = command("backup", _backup, "back up the database to a file; runs continue meanwhile")
    sub.add_argument("file", metavar="FILE")
    sub.add_argument("--replace", action="store_true", help="overwrite an existing file")
    sub.add_argument(
        "--with-uploads", action="store_true", help="include uploaded files of loads that wait or had bad rows"
    )

    sub = command("restore", _restore, "replace the contents of the database with a backup")
    sub.add_argument("file", metavar="FILE", help="trusted backup file (a backup can run any SQL)")
    sub.add_argument("--replace", action="store_true", help="overwrite the data in the database")

    sub = command("space", _space, "show what uses how much disk space: datasets, runs, published plans, folders")
    add_json_argument(sub)

    sub = command("prune", _prune, "delete old runs and their forecasts")
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("--older-than", type=int, metavar="DAYS", help="runs that ended more than DAYS days ago")
    which.add_argument("--keep", type=int, metavar="N", help="all runs except the N that ended last")
    sub.add_argument(
        "--datasets",
        action="store_true",
        help="also delete old dataset versions without runs",
    )
    sub.add_argument("--dry-run", action="store_true", help="list what would be deleted, without deleting it")
    sub.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    add_json_argument(sub)

    sub = command("delete", _delete, "delete a dataset with all its runs and their forecasts")
    sub.add_argument("dataset", metavar="NAME")
    sub.add_argument("--version", type=int, metavar="N", help="dataset version (default: the newest)")
    sub.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    _add_token_commands(commands)

    sub = command("sign-out", _sign_out, "end all current sign-ins of a person")
    sub.add_argument("person", metavar="PERSON", help="their sign-in address")

    sub = command("actions", _actions, "show the audit log: who submitted, cancelled, changed or deleted what")
    sub.add_argument(
        "--limit", type=int, default=100, metavar="N", help="number of newest entries (default: %(default)s)"
    )
    add_json_argument(sub)

    sub = command("worker", _worker, "run the supervisor in the foreground; Ctrl-C lets running batches finish")
    sub.add_argument("--log", metavar="FILE", help="write the log to FILE (rotated) instead of stderr")

    sub = command("doctor", _doctor, "check settings, disk, database, schema and supervisors")
    add_json_argument(sub)


def _add_token_commands(commands: Any) -> None:
    text = "create, list and revoke API tokens"
    actions = commands.add_parser("token", help=text, description=text).add_subparsers(required=True, metavar="ACTION")
    action = partial(add_command, actions)
    sub = action("create", _create_token, "create a token; it is printed only once")
    sub.add_argument("name", metavar="NAME", help="name of the program that uses the token; the audit log shows it")
    sub.add_argument(
        "--scope", default=Scope.READ, choices=list(Scope), help="permissions of the token (default: %(default)s)"
    )
    sub.add_argument("--days", type=int, metavar="N", help="expire after N days (default: never)")
    add_json_argument(action("list", _list_tokens, "list tokens, without their secrets"))
    sub = action("revoke", _revoke_token, "revoke a token immediately")
    sub.add_argument("token", type=int, metavar="ID")


def _migrate(args: argparse.Namespace) -> int:
    applied = prepare()
    print_message(f"Applied: {', '.join(applied)}." if applied else "The schema is up to date.")
    return DONE


def _backup(args: argparse.Namespace) -> int:
    from fcst.services import backups

    path = Path(args.file)
    backups.check_target(path, args.replace)  # before the server starts: a typing error must not start it
    prepare()
    try:
        contents = backups.write_backup(
            path, args.replace, args.with_uploads, partial(Progress().show_share, "writing")
        )
    except (StoreError, DiskFull) as exc:
        say_error(exc)
        return FAILED
    print_message(f"Wrote {path} ({path.stat().st_size / 1e6:,.1f} MB): {contents}.")
    return DONE


def _restore(args: argparse.Namespace) -> int:
    from fcst.services import backups

    contents = backups.read_contents(Path(args.file))
    print_message(f"{args.file} contains: {contents}.")
    prepare()
    try:
        progress = Progress()
        applied = backups.restore(
            Path(args.file), args.replace, partial(progress.show_share, "restoring"), progress.show
        )
    except (StoreError, DiskFull) as exc:
        say_error(exc)
        return FAILED
    print_message("Restored." + (f" Schema upgraded: {', '.join(applied)}." if applied else ""))
    return DONE


def _space(args: argparse.Namespace) -> int:
    from fcst.services import space

    prepare()
    found = space.list_space()
    if args.json:
        print_json(found)
    else:
        rows = [{"MB": use.n_bytes / 1e6, "kind": use.kind, "name": use.name} for use in found]
        print_table(rows, "MB", "kind", "name")
    return DONE


def _prune(args: argparse.Namespace) -> int:
    from fcst.services import pruning

    prepare()
    runs = pruning.list_runs(args.older_than, args.keep)
    versions = pruning.list_datasets(runs) if args.datasets else []
    if not args.dry_run and (runs or versions):
        print_message(f"To delete: {_count(runs, versions)}.")
        if not confirm("Delete them?", args.yes):
            print_message("Nothing was deleted.")
            return FAILED
        runs = pruning.delete_runs(
            runs, lambda run: print_message(f"… deleting run {run.job_id} and its forecasts of {run.n_items:,} items")
        )
        versions = pruning.delete_datasets(
            versions,
            lambda row: print_message(f"… deleting {row.name!r} version {row.version} of {row.n_items:,} items"),
        )
    if args.json:
        print_json({"is_dry_run": args.dry_run, "runs": runs, "datasets": versions})
    else:
        if runs:
            print_table(map(vars, runs), "job_id", "name", "dataset", "status", "n_items", "finished_at")
        if versions:
            print_table([vars(row) for row in versions], "dataset_id", "name", "version", "n_items", "created_at")
    print_message(f"{'Would delete' if args.dry_run else 'Deleted'}: {_count(runs, versions)}.")
    return DONE


def _count(runs: list[EndedJob], versions: list[UnusedDataset]) -> str:
    items = _plural(sum(run.n_items for run in runs), "item")
    return f"{_plural(len(runs), 'run')} (forecasts of {items}), {_plural(len(versions), 'dataset version')}"


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _delete(args: argparse.Namespace) -> int:
    from fcst.services import datasets

    prepare()
    versions = datasets.list_versions(args.dataset)
    found = [row for row in versions if args.version in (None, row.version)]
    if not found:
        raise InputError(f"Dataset {args.dataset!r} has no such version.", "List the datasets with `datasets`.")
    row = found[0]
    dependents = datasets.count_dependents(row.dataset_id)
    print_message(
        f"Dataset {row.name!r} version {row.version}: {row.n_items:,} items, {row.n_weeks:,} weeks; "
        f"deleting it also deletes {dependents.n_jobs:,} runs with the forecasts of {dependents.n_forecasts:,} items."
    )
    if not confirm("Delete it?", args.yes):
        print_message("Nothing was deleted.")
        return FAILED
    print_message("… deleting; Ctrl-C cancels and keeps everything")
    datasets.delete_dataset(row.dataset_id)
    print_message("Deleted.")
    return DONE


def _create_token(args: argparse.Namespace) -> int:
    from fcst.services import tokens

    prepare()
    print_output(tokens.create_token(args.name, args.scope, args.days))
    print_message("Store it where only the program can read it. It cannot be shown again.")
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
    print_message(f"Revoked token {args.token}.")
    return DONE


def _sign_out(args: argparse.Namespace) -> int:
    from fcst.services import sign_ins

    prepare()
    person = sign_ins.sign_out_person(args.person)
    print_message(f"Ended all sign-ins of {person}. To block new ones, remove their role or close their account.")
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
        from fcst.services.supervision import prepare_database, retry_while_database_away

        settings = load_settings()
        # An external supervisor may start together with its database, so wait for it.
        retry_while_database_away(prepare_database) if settings.is_worker_external else prepare_database()
        if not run_supervisor(settings):
            print_message("A supervisor is already running for this home and database.")
    except Exception as exc:
        if args.log:  # without --log the error goes to stderr anyway
            unexpected = None if isinstance(exc, FcstError) else exc
            text = str(exc) if unexpected is None else f"{type(exc).__name__}: {exc}"
            logs.event(log, logging.ERROR, "supervisor_failed", text, exc_info=unexpected or False)
        raise
    # Skip the interpreter's shutdown: it waits for worker processes, and one may be frozen.
    logging.shutdown()
    os._exit(DONE)


def _doctor(args: argparse.Namespace) -> int:
    from fcst.services import health

    checks = health.run_checks(is_thorough=True)
    if args.json:
        print_json(health.as_dict(checks))
    else:
        for check in checks:
            print_output(f"{'ok' if check.is_ok else 'WRONG':<6}{check.name:<12}{check.text} {check.hint}".rstrip())
    return DONE if all(check.is_ok for check in checks) else FAILED
