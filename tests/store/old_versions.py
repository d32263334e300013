"""Databases of earlier versions of fcst, with rows in every table."""

import json

from psycopg2.extensions import cursor as Cursor

from fcst.store import migrate, queries
from fcst.store.database import transaction

LATEST = queries.migrations()[-1][0]

OLD_SPEC = {
    "path": "/data/train.csv",
    "name": "favorita",
    "include_promo": False,
    "week_end": "SAT",
    "item": "item_nbr",
    "date": "date",
    "sales": "unit_sales",
    "promo": "onpromotion",
    "is_upload": False,
}
NEW_SPEC = {
    "paths": ["/data/train.csv"],
    "name": "favorita",
    "mapping": {"item": ["item_nbr"], "date": ["date"], "sales": ["unit_sales"], "promo": ["onpromotion"]},
    "where": [],
    "include_promo": False,
    "week_end": "SAT",
}
REPORT = {
    "source": "train.csv",
    "n_rows": 3,
    "n_returns": 0,
    "n_fractional": 0,
    "n_flag_missing": 1,
    "n_flag_unknown": 0,
    "n_promo": 1,
    "n_items_read": 3,
    "first_day": "2020-01-05",
    "last_day": "2021-07-17",
    "has_promo_column": True,
    "promo_share_by_year": {"2020": 0.25, "2021": None},
    "n_items": 3,
    "n_weeks": 80,
    "first_wk_end_dt": "2020-01-11",
    "last_wk_end_dt": "2021-07-17",
    "total_units": 3.0,
    "n_weeks_emptied": 1,
    "n_weeks_zero": 0,
}
"""A quality report in the format of the first version."""

JOB_SPEC = {"models": ["SeasonalNaive"], "h": 4, "level": [80], "batch_size": 2, "n_windows": 1}

# version -> its new rows: three items; run 1, ended with a failed item; run 2, open, with its first batch claimed by a
# lost supervisor.
ROWS = {
    1: """
INSERT INTO fcst_app.datasets (name, version, spec, report, week_end, include_promo, n_items, n_weeks,
    first_wk_end_dt, last_wk_end_dt, total_units)
VALUES ('favorita', 1, %(spec)s, %(report)s, 'SAT', false, 3, 80, '2020-01-11', '2021-07-17', 3);
INSERT INTO fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt,
    n_weeks, n_missing, family)
SELECT 1, key, ascii(key) - 96, 800, '2020-01-11', '2021-07-17', 80, 1, 'GROCERY'
FROM unnest('{a,b,c}'::text[]) key;
INSERT INTO fcst_app.weekly_sales (dataset_id, unique_id, wk_end_dt, unit_sales, promo_units)
SELECT 1, key, date '2020-01-11' + 7 * week, CASE WHEN week <> 40 THEN 5 + mod(week, 11) END, mod(week, 3)
FROM unnest('{a,b,c}'::text[]) key, generate_series(0, 79) week;
INSERT INTO fcst_app.workers (worker_id, host, pid, version, processes, lease_expires_at)
VALUES ('00000000-0000-0000-0000-000000000001', 'gone', 7, '0', 2, now() - interval '1 day');
INSERT INTO fcst_app.ingests (spec, status, error, dataset_id, finished_at) VALUES
    (%(spec)s, 'completed', NULL, 1, now()), (%(spec)s, 'failed', 'no rows', NULL, now()),
    (%(spec)s, 'submitted', NULL, NULL, NULL);
INSERT INTO fcst_app.jobs (dataset_id, name, note, spec, n_items, n_batches, status, finished_at) VALUES
    (1, 'first', 'a note', %(job)s, 3, 2, 'completed', now()), (1, 'second', '', %(job)s, 3, 2, NULL, NULL);
INSERT INTO fcst_app.batch_status (job_id, batch_no, n_items)
SELECT job, no, 3 - no FROM generate_series(1, 2) job, generate_series(1, 2) no ORDER BY job, no;
UPDATE fcst_app.batch_status SET stage = 'obtaining_sales', attempt = 1, tries = 1, started_at = now(),
    worker_id = '00000000-0000-0000-0000-000000000001', run_token = '00000000-0000-0000-0000-000000000002'
WHERE batch_id < 4;
UPDATE fcst_app.batch_status SET stage = 'processing' WHERE batch_id < 4;
UPDATE fcst_app.batch_status SET stage = 'completed', finished_at = now(), run_token = NULL, n_completed = 2
WHERE batch_id = 1;
UPDATE fcst_app.batch_status SET stage = 'failed', finished_at = now(), run_token = NULL, n_failed = 1,
    error = 'its process died' WHERE batch_id = 2;
INSERT INTO fcst_app.job_items (job_id, unique_id, batch_id, sales_rank, outcome, reason, attempt, finished_at)
SELECT job, key, 2 * job - 1 + (key = 'c')::integer, ascii(key) - 96,
       CASE WHEN job = 2 THEN 'pending' WHEN key = 'c' THEN 'failed' ELSE 'completed' END,
       CASE WHEN job = 1 AND key = 'c' THEN 'its process died' END, 1, CASE WHEN job = 1 THEN now() END
FROM generate_series(1, 2) job, unnest('{a,b,c}'::text[]) key;
INSERT INTO fcst_app.forecasts (job_id, unique_id, model, wk_end_dt, forecast, lo, hi, is_fallback, made_by)
SELECT 1, key, 'SeasonalNaive', date '2021-07-17' + 7 * step, 10 * step, ARRAY[step], ARRAY[20 * step], false,
       'SeasonalNaive' FROM unnest('{a,b}'::text[]) key, generate_series(1, 4) step;
INSERT INTO fcst_app.metrics (job_id, unique_id, model, cutoff, n_weeks, wape, bias, abs_error, error, actual,
    is_fallback, made_by)
SELECT 1, key, 'SeasonalNaive', '2021-04-17', 13, 0.5, 0.1, 50, 10, 100, false, 'SeasonalNaive'
FROM unnest('{a,b}'::text[]) key;
""",
    2: """
INSERT INTO fcst_app.ingests (spec, status, finished_at, cancel_requested_at)
VALUES (%(spec)s, 'cancelled', now(), now());
UPDATE fcst_app.items SET description = 'rice', demand_class = 'smooth', adi = 1, cv2 = 0.1;
""",
    3: """
UPDATE fcst_app.batch_status SET item_in_hand = 'a', touched_at = now() WHERE batch_id = 3;
""",
    5: """
INSERT INTO fcst_app.backtests (job_id, unique_id, model, cutoff, y, forecast, lo, hi)
SELECT 1, key, 'SeasonalNaive', '2021-04-17', array_fill(9.0, ARRAY[13]), array_fill(8.0, ARRAY[13]),
       array_fill(7.0, ARRAY[1, 13]), array_fill(11.0, ARRAY[1, 13]) FROM unnest('{a,b}'::text[]) key;
UPDATE fcst_app.job_items SET provenance = '{"made_by": "SeasonalNaive"}' WHERE outcome = 'completed';
""",
    6: """
INSERT INTO fcst_app.adjustments (job_id, unique_id, model, first_wk_end_dt, last_wk_end_dt, units, reason,
    made_by) VALUES (1, 'a', 'SeasonalNaive', '2021-07-24', '2021-07-24', 77, 'a fair', 'Ana');
INSERT INTO fcst_app.adjusted_forecasts VALUES (1, 'a', 'SeasonalNaive', '2021-07-24', 77);
""",
    7: """
INSERT INTO fcst_app.actions (who, action, noun, number, words) VALUES ('Ana', 'submit', 'job', 1, 'first');
INSERT INTO fcst_app.tokens (name, scope, hash) VALUES ('etl', 'run', 'a hash');
INSERT INTO fcst_app.idempotency_keys (who, key, fingerprint, job_id) VALUES ('token etl', 'autumn', 'f', 1);
""",
    8: """
INSERT INTO fcst_app.notifications (job_id, attempts, delivered_at) VALUES (1, 1, now());
""",
    9: """
INSERT INTO fcst_app.notifications (job_id, attempts, delivered_at, data) VALUES (1, 1, now(), '{"job_id": 1}');
""",
    10: """
INSERT INTO fcst_app.sign_outs (person) VALUES ('ana@example.com');
""",
    12: """
INSERT INTO fcst_app.accuracy_sums (job_id, batch_id, grouped_by, model, n_items) VALUES (2, 3, 'model', 'Naive', 1);
""",
    14: """
INSERT INTO fcst_app.driver_loads (dataset_id, source, is_own, grouped_by, first_day, last_day, columns, report,
    created_by) VALUES (1, 'plan.csv', false, 'item', '2021-07-18', '2021-07-24',
    '[{"name": "promo", "kind": "promotion", "n_keys": 1}]',
    '{"n_rows": 1, "n_unknown": 0, "unknown": [], "n_outside": 0, "n_bad": 0, "bad": [], "remarks": []}', 'Ana');
INSERT INTO fcst_app.driver_values VALUES (1, 'a', 'promo', '2021-07-24', '{1}');
""",
    15: """
INSERT INTO fcst_app.batch_status (job_id, batch_no, n_items, is_learning, stage, finished_at)
VALUES (2, 0, 0, true, 'completed', now());
INSERT INTO fcst_app.learned VALUES (1, 0, '{}', '{"weeks_ago": 0, "effects": {"columns": [], "coefficients": [],
    "errors": [], "sizes": [], "lowest": [], "highest": [], "dispersion": 1.0, "n_items": 0}, "boosting": null,
    "pooled": null}');
""",
    16: """
INSERT INTO fcst_app.lifecycles (dataset_id, unique_id, since, origin, sources, factors, created_by)
VALUES (1, 'b', 1, 'like', '{a}', '{0.5}', 'Ana');
""",
    19: """
INSERT INTO fcst_app.reviews (job_id, model, unique_id, reviewed_by, reasons)
VALUES (1, 'SeasonalNaive', 'a', 'Ana', '{new}');
INSERT INTO fcst_app.attention_thresholds (dataset, thresholds, set_by) VALUES ('favorita', '{"far": 0.4}', 'Ana');
""",
    20: """
INSERT INTO fcst_app.stock_settings (name, grouped_by, key, lead_time_days, changed_by)
VALUES ('favorita', 'item', 'a', 14, 'Ana');
""",
    21: """
INSERT INTO fcst_app.known_attributes (dataset_id, name, place, source, keyed_by, is_own, n_items, n_values, values,
    created_by)
VALUES (1, 'buyer', 1, 'buyers.csv', '{}', false, 1, 1, '{Eva}', 'Ana');
INSERT INTO fcst_app.attribute_values VALUES (1, 'buyer', '{a}', 'Eva');
UPDATE fcst_app.items SET attributes = '{"buyer": "Eva"}' WHERE unique_id = 'a';
UPDATE fcst_app.forecast_sums SET last_year = 3 WHERE unique_id = 'a';
""",
    22: """
INSERT INTO fcst_app.scenarios (job_id, name, made_by) VALUES (1, 'Carnival', 'Ana');
INSERT INTO fcst_app.scenario_changes (scenario_id, driver, first_wk_end_dt, last_wk_end_dt, how, value, scope,
    unique_ids, made_by)
VALUES (1, 'promo', '2017-08-26', '2017-08-26', 'to', 1, 'all items', '{a}', 'Ana');
INSERT INTO fcst_app.scenario_items VALUES (1, 'a', '{2}', '{NULL}');
""",
    24: "UPDATE fcst_app.workers SET lease_s = 30, process_start = 7;",
    25: "UPDATE fcst_app.batch_status SET worked_s = 3 WHERE attempt > 0; UPDATE fcst_app.ingests SET phase_s = 2;",
    27: """
INSERT INTO fcst_app.data_sources (dataset, source, spec, set_by)
VALUES ('favorita', '{"kind": "files", "location": "/data/*.csv", "query": "", "secret": ""}', %(spec)s, 'Ana');
""",
    28: """
INSERT INTO fcst_app.published_plans (dataset, job_id, run_no, model, first_wk_end_dt, h, n_items, forecast, final,
    published_by)
VALUES ('favorita', 1, 1, 'SeasonalNaive', '2021-07-24', 4, 1, 20, 21, 'Ana');
INSERT INTO fcst_app.published_items VALUES (1, 'a', '{5,5,5,5}', '{5,5,5,6}');
""",
}
UNTIL = {8: 9}
"""version -> the first version in which these rows no longer fit."""

SERIES = 11
"""The version that stores one row per series; its rows come from migrated data."""


PLANS = 19
"""The version that stores one row per series of adjusted weeks, and one per item of an adjustment."""


SUMS = 23
"""The version that stores forecast totals in one row per item."""

NAMES = 26
"""The version that renames columns and keys of JSON."""

ATTENTION = """
INSERT INTO fcst_app.attention (job_id, model, unique_id, final, reasons, at_stake)
VALUES (1, 'SeasonalNaive', 'a', 167, '{new}', 7);
"""
ATTENTION_IN_SUMS = """
UPDATE fcst_app.forecast_sums SET reasons = '{new}', at_stake = 7 WHERE model = 'SeasonalNaive' AND unique_id = 'a';
"""

OLD_NAMES = """
UPDATE fcst_app.datasets SET spec = spec || '{"seen": "x", "asked_by": "Ana"}',
    report = report || '{"doubts": ["odd"], "n_sifted": 2, "dropped": {"sifted": 2}}';
UPDATE fcst_app.attention_thresholds SET thresholds = thresholds || '{"one_sided": 0.8}';
"""


def leave(version: int) -> None:
    """Creates and fills the schema of a version in the empty database in use."""
    values = {
        "report": json.dumps(REPORT),
        "spec": json.dumps(OLD_SPEC if version < 2 else NEW_SPEC),
        "job": json.dumps(JOB_SPEC | ({"item_limit_s": 300, "process_memory": 4_000_000_000} if version > 2 else {})),
    }
    with transaction() as cur:
        cur.execute(queries.query("create_migrations"))
        known = queries.migrations()
        for number, name, statements in known[: min(version, SERIES - 1)]:
            _apply(cur, number, name, statements)
        for since, statements in ROWS.items():
            if since <= min(version, SERIES) and version < UNTIL.get(since, LATEST + 1):
                cur.execute(statements, values)
        for number, name, statements in known[SERIES - 1 : version]:
            _apply(cur, number, name, statements)
        for since, statements in ROWS.items():
            if SERIES < since <= version:
                cur.execute(statements, values)
        if version >= PLANS:
            cur.execute(ATTENTION_IN_SUMS if version >= SUMS else ATTENTION)
        if PLANS <= version < NAMES:
            cur.execute(OLD_NAMES)


def _apply(cur: Cursor, number: int, name: str, statements: str) -> None:
    migrate.apply(cur, name, statements)
    cur.execute(queries.query("record_migration"), {"version": number, "name": name})


def tables() -> dict[str, list[dict]]:
    """table -> its rows in a fixed order, for all tables except migrations."""
    with transaction() as cur:
        cur.execute("SELECT relname FROM pg_class WHERE relnamespace = 'fcst_app'::regnamespace AND relkind = 'r'")
        names = sorted({row["relname"] for row in cur.fetchall()} - {"migrations"})
        found = {}
        for name in names:
            cur.execute(f"SELECT to_jsonb(t) AS row FROM fcst_app.{name} t ORDER BY t::text")
            found[name] = [row["row"] for row in cur.fetchall()]
    return found
