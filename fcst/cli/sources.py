"""`fcst source`, `sources` and `refresh`: load a dataset from a source, and load it again from there."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from fcst.cli.reading import add_reading_arguments, add_weekly_arguments, make_spec, print_reading, report_ingest
from fcst.data_sources import DataSource, SourceKind
from fcst.errors import InputError
from fcst.terminal import DONE, add_command, add_json_argument, prepare, print_json, print_message, print_table


def add_commands(commands: Any) -> None:
    command = partial(add_command, commands)

    sub = command("source", _source, "load a dataset from a source that it can be refreshed from, or remove the source")
    sub.add_argument("name", metavar="NAME", help="name of the dataset")
    where = sub.add_mutually_exclusive_group(required=True)
    where.add_argument("--files", metavar="PATTERN", help="files on this machine, such as '/data/sales-*.csv'")
    where.add_argument("--url", metavar="URL", help="a file by HTTP or HTTPS")
    where.add_argument("--storage", metavar="URL", help="objects of a storage, such as 's3://bucket/sales/*.parquet'")
    where.add_argument("--query", metavar="SQL", help="an SQL query, or @FILE; --secret names the database")
    where.add_argument("--remove", action="store_true", help="remove the source; the dataset stays")
    sub.add_argument(
        "--secret", default="", metavar="NAME", help="the setting FCST_SECRET_NAME: header, storage options or database"
    )
    add_weekly_arguments(sub)
    add_reading_arguments(sub)
    add_json_argument(sub)

    sub = command("sources", _sources, "list the sources of datasets")
    add_json_argument(sub)

    sub = command("refresh", _refresh, "load the next version of a dataset from its source")
    sub.add_argument("name", metavar="NAME", help="name of the dataset")
    add_json_argument(sub)


def _source(args: argparse.Namespace) -> int:
    from fcst.services import data_sources, loading

    if args.remove:
        prepare()
        data_sources.remove(args.name)
        print_message(f"The source of {args.name!r} was removed.")
        return DONE
    source = _read_source(args)
    spec = make_spec(args, args.name)
    prepare()
    paths, is_copy = data_sources.fetch_preview(source)
    try:
        look = loading.inspect_files(loading.spec_of_preview(spec, paths, is_copy))
        print_reading(loading.check_files(spec, look))
    finally:
        if is_copy:
            loading.discard_upload(paths[0])
    return report_ingest(data_sources.load(source, spec), args.json)


def _read_source(args: argparse.Namespace) -> DataSource:
    for kind in (SourceKind.FILES, SourceKind.URL, SourceKind.STORAGE):
        if (location := getattr(args, kind)) is not None:
            return DataSource(kind, location, secret=args.secret)
    query: str = args.query
    if query.startswith("@"):
        try:
            query = Path(query[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise InputError(f"The file {query[1:]} cannot be read.", "Check its path and encoding (UTF-8).") from exc
    return DataSource(SourceKind.SQL, query=query, secret=args.secret)


def _sources(args: argparse.Namespace) -> int:
    from fcst.services import data_sources

    prepare()
    rows = data_sources.list_sources()
    if args.json:
        print_json([{**vars(row), "source": vars(row.source), "spec": vars(row.spec)} for row in rows])
    else:
        table = [{**vars(row), "source": row.source.label} for row in rows]
        print_table(table, "dataset", "source", "dataset_id", "set_by", "set_at")
    return DONE


def _refresh(args: argparse.Namespace) -> int:
    from fcst.services import data_sources

    prepare()
    return report_ingest(data_sources.refresh(args.name), args.json)
