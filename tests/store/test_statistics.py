"""Planner statistics are updated with the rows, so that the first batch uses an index too."""

from collections.abc import Callable
from pathlib import Path

from psycopg2 import sql

from fcst.dataset_records import Dataset
from fcst.filters import Selection
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.store import attempts, item_filters, statistics
from fcst.store.database import transaction
from fcst.store.queries import query
from tests.conftest import write_sales


def counted() -> dict[str, float]:
    """table -> the planner's estimate of its rows; -1 without statistics."""
    with transaction() as cur:
        cur.execute(
            "SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'fcst_app'::regnamespace AND relkind = 'r'"
        )
        return {row["relname"]: row["reltuples"] for row in cur.fetchall()}


def test_load_updates_the_statistics(load_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    write_sales(tmp_path / "sales.csv", 6, 120)
    load_dataset(tmp_path / "sales.csv")  # loads it: rows from a snapshot have no statistics
    assert (counted()["sales"], counted()["items"]) == (6, 6)


def test_large_submit_updates_the_statistics(load_dataset: Callable[..., Dataset], monkeypatch) -> None:
    monkeypatch.setattr(statistics, "MANY_ITEMS", 6)
    dataset = load_dataset(n_items=6)
    jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 6), JobSpec(batch_size=2))
    assert (counted()["job_items"], counted()["batch_status"]) == (6, 3)


def test_first_batch_after_a_load_uses_the_index(load_dataset: Callable[..., Dataset]) -> None:
    dataset = load_dataset(n_items=4)
    many = {"dataset_id": dataset.dataset_id, "n": 20_000}
    with transaction() as cur:  # as a load writes them, in one transaction with the statistics
        cur.execute(
            "INSERT INTO fcst_app.sales SELECT %(dataset_id)s, 'more ' || i, '2020-01-04', array_fill(1.5, ARRAY[156])"
            " FROM generate_series(1, %(n)s) i",
            many,
        )
        statistics.analyze_dataset(cur)
    jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 4), JobSpec(batch_size=2))
    (claimed, *_) = attempts.claim("00000000-0000-0000-0000-000000000001", 1)
    with transaction() as cur:
        key = {"dataset_id": dataset.dataset_id, "batch_id": claimed.batch_id}
        cur.execute("EXPLAIN " + query("batch_series"), key)
        plan = "\n".join(row["QUERY PLAN"] for row in cur.fetchall())
    assert "using sales_pkey on sales" in plan and "Seq Scan on sales" not in plan, plan


def test_new_run_without_statistics_reads_its_items_once(load_dataset: Callable[..., Dataset]) -> None:
    dataset = load_dataset(n_items=60)
    jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 60), JobSpec(batch_size=1))
    with transaction() as cur:  # statistics of one run, as autovacuum would make them later
        cur.execute("ANALYZE fcst_app.batch_status, fcst_app.items")
        chosen = item_filters.select(dataset.dataset_id, Selection())
        statement = sql.SQL("EXPLAIN " + query("insert_job_items")).format(chosen=chosen.text)
        cur.execute(statement, chosen.params | {"job_id": 2, "batch_size": 1})
        plan = "\n".join(row["QUERY PLAN"] for row in cur.fetchall())
    assert "Nested Loop" not in plan and "Join" not in plan, plan
