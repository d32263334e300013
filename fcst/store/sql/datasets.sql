-- lock_dataset_name
-- Serializes loads of one name. A separate statement, so that the next statement sees what the lock waited for.
SELECT pg_advisory_xact_lock(hashtext('fcst_app.datasets'), hashtext(%(name)s));

-- last_version
-- The newest version with this name, and the digest of its weekly sales.
SELECT dataset_id, version, report ->> 'content' AS content, coalesce(report -> 'columns', '[]') AS columns, week_end,
       include_promo, last_wk_end_dt
FROM fcst_app.datasets
WHERE name = %(name)s ORDER BY version DESC LIMIT 1;

-- reserve_dataset_id
-- Reserves a dataset id.
SELECT nextval(pg_get_serial_sequence('fcst_app.datasets', 'dataset_id')) AS dataset_id;

-- insert_dataset
-- Inserts a dataset, before its rows.
INSERT INTO fcst_app.datasets (dataset_id, name, version, spec, report, week_end, include_promo, n_items, n_weeks,
                               first_wk_end_dt, last_wk_end_dt, total_units)
VALUES (%(dataset_id)s, %(name)s, %(version)s, %(spec)s, %(report)s, %(week_end)s, %(include_promo)s, %(n_items)s,
        %(n_weeks)s, %(first_wk_end_dt)s, %(last_wk_end_dt)s, %(total_units)s);

-- copy_items
-- The items of a dataset, from a CSV stream.
COPY fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, last_sale_dt, n_weeks,
                     n_missing, family, class, is_perishable, description, demand_class, adi, cv2, price,
                     attributes, search_text)
FROM STDIN (FORMAT csv, NULL '\N');

-- copy_sales
-- The sales of a dataset, one row per item, from a binary stream.
COPY fcst_app.sales (dataset_id, unique_id, first_wk_end_dt, unit_sales, promo_units) FROM STDIN (FORMAT binary);

-- copy_sales_totals
-- The totals of a dataset by week, from a CSV stream.
COPY fcst_app.sales_totals (dataset_id, grouped_by, key, first_wk_end_dt, unit_sales, promo_units, n_items)
FROM STDIN (FORMAT csv, NULL '\N');

-- list_datasets
-- All datasets, newest first; reports have the counts without the long lists.
SELECT dataset_id, name, version, week_end, include_promo, n_items, n_weeks, first_wk_end_dt, last_wk_end_dt,
       total_units, created_at, lifecycle, attribute_change, spec,
       report - '{weeks,coverage,outliers,gaps,new_items,ended_items,most_affected,flags_missing_by_month}'::text[]
           AS report
FROM fcst_app.datasets ORDER BY dataset_id DESC;

-- get_dataset
-- One dataset.
SELECT dataset_id, name, version, week_end, include_promo, n_items, n_weeks, first_wk_end_dt, last_wk_end_dt,
       total_units, created_at, lifecycle, attribute_change, spec, report
FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s;

-- find_dataset
-- The newest version of the dataset with this name; without a name the newest dataset of all.
SELECT dataset_id FROM fcst_app.datasets
WHERE name = %(name)s OR %(name)s::text IS NULL
ORDER BY dataset_id DESC LIMIT 1;

-- chosen_items
-- The items of a dataset that match, optionally only the first in an order; without items that have neither sales nor a
-- lifecycle. Other statements read from this one.
SELECT d.dataset_id, d.unique_id, d.sales_rank, d.total_units, d.first_wk_end_dt, d.last_sale_dt, d.n_weeks,
       d.n_missing, d.family, d.class, d.description, d.demand_class, d.adi, d.cv2, d.price, d.is_added
FROM fcst_app.items d
WHERE d.dataset_id = %(dataset_id)s AND {condition} AND (NOT d.is_added OR EXISTS (
    SELECT FROM fcst_app.lifecycles l
    WHERE l.dataset_id = d.dataset_id AND l.unique_id = d.unique_id AND l.until IS NULL))
{first};

-- list_items
-- A page of the chosen items, sorted.
SELECT d.unique_id, d.sales_rank, d.total_units, d.first_wk_end_dt, d.last_sale_dt, d.n_weeks, d.n_missing, d.family,
       d.class AS item_class, d.description, d.demand_class, d.adi, d.cv2, d.price,
       CASE WHEN {ended} THEN 'ended' WHEN {new} THEN 'new' ELSE '' END AS life
FROM ({chosen}) d ORDER BY {order} LIMIT %(limit)s OFFSET %(skip)s;

-- count_items
-- Number and total sales of the chosen items, by weeks of history and demand class.
SELECT d.n_weeks, d.demand_class, count(*)::integer AS n_items, sum(d.total_units) AS total_units
FROM ({chosen}) d GROUP BY d.n_weeks, d.demand_class ORDER BY d.n_weeks, d.demand_class;

-- list_groups
-- The families and classes of a dataset.
SELECT grouped_by, key FROM fcst_app.sales_totals
WHERE dataset_id = %(dataset_id)s AND grouped_by <> 'all' AND key <> '' ORDER BY grouped_by, key;

-- list_demand_classes
-- The demand classes that occur in a dataset.
SELECT DISTINCT demand_class FROM fcst_app.items WHERE dataset_id = %(dataset_id)s AND demand_class IS NOT NULL;

-- find_shown_keys
-- Items whose key, as tables display it, is among the given keys. The program inserts the display form.
SELECT s.unique_id, s.shown
FROM (SELECT unique_id, {shown} AS shown FROM fcst_app.items WHERE dataset_id = %(dataset_id)s) s
WHERE s.shown = ANY (%(keys)s::text[]);

-- missing_job_items
-- Items of a run that a dataset lacks, largest sellers first; n_found is their total number.
SELECT i.unique_id, count(*) OVER ()::integer AS n_found
FROM fcst_app.job_items i
WHERE i.job_id = %(job_id)s AND NOT EXISTS (
    SELECT FROM fcst_app.items d WHERE d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id)
ORDER BY i.sales_rank LIMIT %(limit)s;

-- page_of_items
-- A page of the items of a dataset that match, largest sellers first.
SELECT d.unique_id, d.sales_rank, d.total_units, d.n_weeks, d.family, d.class AS item_class, d.description, d.demand_class,
       d.price, d.attributes
FROM fcst_app.items d
WHERE d.dataset_id = %(dataset_id)s AND d.sales_rank > %(after)s AND {condition}
ORDER BY d.sales_rank LIMIT %(limit)s;

-- find_items
-- The given keys that a dataset has, largest sellers first.
SELECT unique_id FROM fcst_app.items d
WHERE dataset_id = %(dataset_id)s AND unique_id = ANY(%(unique_ids)s) AND (NOT d.is_added OR EXISTS (
    SELECT FROM fcst_app.lifecycles l
    WHERE l.dataset_id = d.dataset_id AND l.unique_id = d.unique_id AND l.until IS NULL))
ORDER BY sales_rank;

-- find_dataset_by_columns
-- The newest dataset whose first file had these columns.
SELECT name, version, spec FROM fcst_app.datasets
WHERE report -> 'columns' = %(columns)s::jsonb ORDER BY dataset_id DESC LIMIT 1;

-- list_versions
-- All versions of a dataset, newest first, with their number of runs.
SELECT d.dataset_id, d.name, d.version, d.include_promo, d.n_items, d.n_weeks, d.last_wk_end_dt, d.total_units,
       d.created_at, (d.report ->> 'same_as_version')::integer AS same_as_version,
       (d.report #>> '{changes,n_new_weeks}')::integer AS n_new_weeks,
       (d.report #>> '{changes,n_revised_items}')::integer AS n_revised_items,
       (d.report #>> '{changes,n_new_items}')::integer AS n_new_items,
       (d.report #>> '{changes,n_gone_items}')::integer AS n_gone_items,
       (d.report -> 'has_promo_column')::boolean AS has_promo,
       (SELECT count(*) FROM fcst_app.jobs j WHERE j.dataset_id = d.dataset_id) AS n_jobs
FROM fcst_app.datasets d WHERE d.name = %(name)s ORDER BY d.version DESC;

-- count_dependents
-- Counts of what is deleted with a dataset.
SELECT count(*) AS n_jobs, count(*) FILTER (WHERE status IS NULL) AS n_open_jobs,
       coalesce(sum((SELECT count(*) FROM fcst_app.job_items i WHERE i.job_id = j.job_id AND i.outcome = 'completed')), 0)::bigint
           AS n_forecasts
FROM fcst_app.jobs j WHERE j.dataset_id = %(dataset_id)s;

-- lock_dataset
-- Locks a dataset; the foreign key of new runs waits for this lock.
SELECT name, version FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s FOR UPDATE;

-- list_dataset_jobs
-- The runs of a dataset.
SELECT job_id FROM fcst_app.jobs WHERE dataset_id = %(dataset_id)s;

-- list_unused_datasets
-- Old dataset versions that no run uses; the given runs do not count.
SELECT d.dataset_id, d.name, d.version, d.n_items, d.created_at
FROM fcst_app.datasets d
WHERE EXISTS (SELECT 1 FROM fcst_app.datasets n WHERE n.name = d.name AND n.version > d.version)
  AND NOT EXISTS (
      SELECT 1 FROM fcst_app.jobs j
      WHERE j.dataset_id = d.dataset_id AND j.job_id <> ALL (%(job_ids)s::integer[])
  )
ORDER BY d.dataset_id;

-- delete_dataset
-- Deletes a dataset without runs: its sales, drivers and attribute values, and by cascade its items and totals.
DELETE FROM fcst_app.sales WHERE dataset_id = %(dataset_id)s;
DELETE FROM fcst_app.attribute_values WHERE dataset_id = %(dataset_id)s;
DELETE FROM fcst_app.driver_values v USING fcst_app.driver_loads l
WHERE l.dataset_id = %(dataset_id)s AND v.driver_load_id = l.driver_load_id;
DELETE FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s;
