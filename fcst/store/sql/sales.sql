-- weekly_totals
-- Units of all items by week.
SELECT wk_end_dt, sum(unit_sales) AS unit_sales, sum(promo_units) AS promo_units, count(*) AS n_items
FROM fcst_app.weekly_sales WHERE dataset_id = %(dataset_id)s GROUP BY wk_end_dt ORDER BY wk_end_dt;

-- job_weekly_totals
-- Units by week of the items that a job forecast: of the given ones or of all.
SELECT w.wk_end_dt, sum(w.unit_sales) AS unit_sales, sum(w.promo_units) AS promo_units
FROM fcst_app.job_items i
JOIN fcst_app.jobs j ON j.job_id = i.job_id
JOIN fcst_app.weekly_sales w ON w.dataset_id = j.dataset_id AND w.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed'
  AND (i.unique_id = ANY (%(unique_ids)s) OR %(unique_ids)s::text[] IS NULL)
GROUP BY w.wk_end_dt ORDER BY w.wk_end_dt;

-- batch_histories
-- The history of each item of a batch that is not final yet, as one array an item; the largest sellers first.
SELECT i.unique_id,
       array_agg(w.unit_sales ORDER BY w.wk_end_dt) FILTER (WHERE w.wk_end_dt IS NOT NULL) AS y
FROM fcst_app.job_items i
LEFT JOIN fcst_app.weekly_sales w ON w.dataset_id = %(dataset_id)s AND w.unique_id = i.unique_id
WHERE i.batch_id = %(batch_id)s AND i.outcome = 'pending'
GROUP BY i.unique_id, i.sales_rank ORDER BY i.sales_rank;

-- copy_weekly_file
-- The weekly file of a dataset. The program fills in the key.
COPY (
    SELECT {key} AS item_nbr, wk_end_dt, unit_sales
    FROM fcst_app.weekly_sales WHERE dataset_id = %(dataset_id)s ORDER BY unique_id, wk_end_dt
) TO STDOUT (FORMAT csv, HEADER);

-- item_history
-- The weeks of an item.
SELECT wk_end_dt, unit_sales, promo_units FROM fcst_app.weekly_sales
WHERE dataset_id = %(dataset_id)s AND unique_id = %(unique_id)s ORDER BY wk_end_dt;
