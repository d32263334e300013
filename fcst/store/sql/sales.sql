-- sales_totals
-- Stored totals of all items by week.
SELECT t.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, w.unit_sales, w.promo_units, w.n_items
FROM fcst_app.sales_totals t
CROSS JOIN LATERAL unnest(t.unit_sales, t.promo_units, t.n_items)
    WITH ORDINALITY w (unit_sales, promo_units, n_items, n)
WHERE t.dataset_id = %(dataset_id)s AND t.grouped_by = 'all' ORDER BY w.n;

-- job_sales_totals
-- Units by week of the items that a job has forecast: the given ones, or all.
SELECT w.wk_end_dt, sum(w.unit_sales) AS unit_sales, sum(w.promo_units) AS promo_units
FROM fcst_app.job_items i
JOIN fcst_app.jobs j ON j.job_id = i.job_id
JOIN fcst_app.weekly_sales w ON w.dataset_id = j.dataset_id AND w.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' {which}
GROUP BY w.wk_end_dt ORDER BY w.wk_end_dt;

-- copy_job_sales
-- Sales of items that a job has forecast, for summing in the program. Missing weeks are NaN.
COPY (
    SELECT array_replace(s.unit_sales, NULL, 'NaN'), array_replace(s.promo_units, NULL, 0)
    FROM fcst_app.job_items i
    JOIN fcst_app.sales s ON s.dataset_id = %(dataset_id)s AND s.unique_id = i.unique_id
    WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' {which}
) TO STDOUT (FORMAT binary);

-- copy_sales_left_out
-- Sales of items of a dataset that a job has not forecast, in the same form. The program inserts the condition.
COPY (
    SELECT array_replace(s.unit_sales, NULL, 'NaN'), array_replace(s.promo_units, NULL, 0)
    FROM fcst_app.items d
    JOIN fcst_app.sales s ON s.dataset_id = d.dataset_id AND s.unique_id = d.unique_id
    WHERE d.dataset_id = %(dataset_id)s AND {condition} AND NOT EXISTS (
        SELECT FROM fcst_app.job_items i
        WHERE i.job_id = %(job_id)s AND i.unique_id = d.unique_id AND i.outcome = 'completed')
) TO STDOUT (FORMAT binary);

-- list_sales_totals
-- The totals of all items of a dataset, or of some families.
SELECT key, first_wk_end_dt, unit_sales, promo_units, n_items FROM fcst_app.sales_totals
WHERE dataset_id = %(dataset_id)s AND grouped_by = %(grouped_by)s AND key = ANY (%(keys)s);

-- list_item_sales
-- The units of some items of a dataset.
SELECT unique_id AS key, first_wk_end_dt, unit_sales FROM fcst_app.sales
WHERE dataset_id = %(dataset_id)s AND unique_id = ANY (%(keys)s);

-- list_part_sales
-- Units by week of the items with given parts of the key, summed by part; parts with the fewest items first, up to a
-- limit of items. Parts are numbered from 1.
WITH members AS (
    SELECT d.unique_id, array_to_string(ARRAY(
        SELECT p.parts[w.place] FROM unnest(%(places)s::integer[]) WITH ORDINALITY w (place, n) ORDER BY w.n), %(joint)s)
        AS key
    FROM fcst_app.items d CROSS JOIN LATERAL string_to_array(d.unique_id, %(joint)s) p (parts)
    WHERE d.dataset_id = %(dataset_id)s AND cardinality(p.parts) = %(n_parts)s
), chosen AS (
    SELECT key FROM (
        SELECT key, sum(count(*)) OVER (ORDER BY count(*), key) AS n_items
        FROM members WHERE key = ANY (%(keys)s) GROUP BY key) c
    WHERE n_items <= %(max_items)s
), sums AS (
    SELECT m.key, w.wk_end_dt, sum(w.unit_sales) AS unit_sales
    FROM chosen JOIN members m USING (key)
    JOIN fcst_app.weekly_sales w ON w.dataset_id = %(dataset_id)s AND w.unique_id = m.unique_id
    GROUP BY m.key, w.wk_end_dt
)
SELECT key, min(wk_end_dt) AS first_wk_end_dt, array_agg(unit_sales ORDER BY wk_end_dt) AS unit_sales
FROM sums GROUP BY key;

-- count_to_add_up
-- Number of items of a dataset that match, and how many of them a job has forecast.
SELECT count(*)::integer AS n_items, count(i.unique_id)::integer AS n_completed
FROM fcst_app.items d
LEFT JOIN fcst_app.job_items i ON i.job_id = %(job_id)s AND i.unique_id = d.unique_id AND i.outcome = 'completed'
WHERE d.dataset_id = %(dataset_id)s AND {condition};

-- batch_series
-- The sales of the pending items of a batch, largest sellers first.
SELECT i.unique_id, COALESCE(s.unit_sales, '{}') AS unit_sales, d.family, d.class
FROM fcst_app.job_items i
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
LEFT JOIN fcst_app.sales s ON s.dataset_id = %(dataset_id)s AND s.unique_id = i.unique_id
WHERE i.batch_id = %(batch_id)s AND i.outcome = 'pending'
ORDER BY i.sales_rank;

-- learning_series
-- The sales of a reproducible random sample of a job's items.
SELECT i.unique_id, s.unit_sales, d.family, d.class
FROM (
    SELECT unique_id FROM fcst_app.job_items WHERE job_id = %(job_id)s ORDER BY md5(unique_id), unique_id LIMIT %(limit)s
) i
JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
JOIN fcst_app.sales s ON s.dataset_id = %(dataset_id)s AND s.unique_id = i.unique_id
ORDER BY i.unique_id;

-- item_series
-- The sales of some items of a dataset.
SELECT d.unique_id, s.unit_sales, d.family, d.class
FROM fcst_app.items d JOIN fcst_app.sales s USING (dataset_id, unique_id)
WHERE d.dataset_id = %(dataset_id)s AND d.unique_id = ANY (%(unique_ids)s)
ORDER BY d.unique_id;

-- copy_weekly_file
-- The weekly sales file of a dataset, for items with sales. The program inserts the key.
COPY (
    SELECT {key} AS item_nbr, wk_end_dt, unit_sales
    FROM fcst_app.weekly_sales WHERE dataset_id = %(dataset_id)s AND unique_id NOT IN (
        SELECT unique_id FROM fcst_app.items WHERE dataset_id = %(dataset_id)s AND is_added)
    ORDER BY unique_id, wk_end_dt
) TO STDOUT (FORMAT csv, HEADER);

-- item_history
-- The weeks of an item.
SELECT wk_end_dt, unit_sales, promo_units FROM fcst_app.weekly_sales
WHERE dataset_id = %(dataset_id)s AND unique_id = %(unique_id)s ORDER BY wk_end_dt;
