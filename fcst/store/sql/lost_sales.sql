-- sum_lost_sales
-- Lost sales of a run's items due to stock-outs, and the total sales of all its completed items, which are summed only
-- if any item has stock-out weeks.
SELECT l.n_items, l.n_weeks, l.units, l.n_items_suspected, l.n_weeks_suspected, l.n_found,
       CASE WHEN l.n_items > 0 THEN (
           SELECT sum(d.total_units) FROM fcst_app.job_items i
           JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
           WHERE i.job_id = %(job_id)s AND i.outcome = 'completed'
       ) END AS sold
FROM (
    SELECT count(*)::integer AS n_found,
           (count(*) FILTER (WHERE i.out_of_stock_weeks > 0))::integer AS n_items,
           COALESCE(sum(i.out_of_stock_weeks), 0)::integer AS n_weeks, COALESCE(sum(i.lost_units), 0) AS units,
           (count(*) FILTER (WHERE i.suspected_weeks > 0))::integer AS n_items_suspected,
           COALESCE(sum(i.suspected_weeks), 0)::integer AS n_weeks_suspected
    FROM fcst_app.job_items i
    WHERE i.job_id = %(job_id)s AND (i.out_of_stock_weeks > 0 OR i.suspected_weeks > 0)
) l;

-- list_lost_sales
-- A page of the items of a run with known or suspected stock-out weeks, largest losses first.
SELECT i.unique_id, d.family, d.description, i.out_of_stock_weeks AS n_weeks, i.lost_units AS units,
       i.suspected_weeks AS n_suspected, d.total_units AS sold
FROM (
    SELECT unique_id, out_of_stock_weeks, lost_units, suspected_weeks, sales_rank FROM fcst_app.job_items
    WHERE job_id = %(job_id)s AND (out_of_stock_weeks > 0 OR suspected_weeks > 0)
    ORDER BY lost_units DESC, suspected_weeks DESC, sales_rank LIMIT %(limit)s OFFSET %(skip)s
) i
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
ORDER BY i.lost_units DESC, i.suspected_weeks DESC, i.sales_rank;

-- item_lost_sales
-- Lost sales of one item of a run due to stock-outs.
SELECT i.unique_id, d.family, d.description, i.out_of_stock_weeks AS n_weeks, i.lost_units AS units,
       i.suspected_weeks AS n_suspected, d.total_units AS sold
FROM fcst_app.job_items i
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s AND i.unique_id = %(unique_id)s AND (i.out_of_stock_weeks > 0 OR i.suspected_weeks > 0);
