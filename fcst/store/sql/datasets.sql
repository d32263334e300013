-- lock_dataset_name
-- Keeps two loads of one name apart; a statement of its own, for the next one must see what it waited for.
SELECT pg_advisory_xact_lock(hashtext('fcst_app.datasets'), hashtext(%(name)s));

-- next_version
-- The version that the next dataset of this name gets.
SELECT COALESCE(max(version), 0) + 1 AS version FROM fcst_app.datasets WHERE name = %(name)s;

-- reserve_dataset_id
-- An id for a dataset to come.
SELECT nextval(pg_get_serial_sequence('fcst_app.datasets', 'dataset_id')) AS dataset_id;

-- insert_dataset
-- A dataset, before its rows.
INSERT INTO fcst_app.datasets (dataset_id, name, version, spec, report, week_end, include_promo, n_items, n_weeks,
                               first_wk_end_dt, last_wk_end_dt, total_units)
VALUES (%(dataset_id)s, %(name)s, %(version)s, %(spec)s, %(report)s, %(week_end)s, %(include_promo)s, %(n_items)s,
        %(n_weeks)s, %(first_wk_end_dt)s, %(last_wk_end_dt)s, %(total_units)s);

-- copy_items
-- The items of a dataset, from a CSV stream.
COPY fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt, n_weeks,
                     n_missing, family, class, is_perishable)
FROM STDIN (FORMAT csv, NULL '\N');

-- copy_weekly_sales
-- The weekly sales of a dataset, from a CSV stream.
COPY fcst_app.weekly_sales (dataset_id, unique_id, wk_end_dt, unit_sales, promo_units)
FROM STDIN (FORMAT csv, NULL '\N');

-- list_datasets
-- All datasets, the newest first.
SELECT dataset_id, name, version, week_end, include_promo, n_items, n_weeks, first_wk_end_dt, last_wk_end_dt,
       total_units, created_at, spec, report
FROM fcst_app.datasets ORDER BY dataset_id DESC;

-- get_dataset
-- One dataset.
SELECT dataset_id, name, version, week_end, include_promo, n_items, n_weeks, first_wk_end_dt, last_wk_end_dt,
       total_units, created_at, spec, report
FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s;

-- find_dataset
-- The newest version of the dataset with this name; without a name the newest dataset of all.
SELECT dataset_id FROM fcst_app.datasets
WHERE name = %(name)s OR %(name)s::text IS NULL
ORDER BY dataset_id DESC LIMIT 1;

-- list_items
-- The largest sellers of a dataset, the largest first.
SELECT unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt, n_weeks, n_missing, family, class,
       is_perishable
FROM fcst_app.items WHERE dataset_id = %(dataset_id)s AND sales_rank <= %(n_items)s ORDER BY sales_rank;

-- find_items
-- Those of the given keys that the dataset has, the largest sellers first.
SELECT unique_id, sales_rank FROM fcst_app.items
WHERE dataset_id = %(dataset_id)s AND unique_id = ANY(%(unique_ids)s) ORDER BY sales_rank;
