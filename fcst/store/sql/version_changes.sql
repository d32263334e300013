-- compare_sales
-- Compares the sales of two versions of a dataset in the weeks of both: the number of revised items, their weeks and
-- units, and the items with the largest differences. A week before an item's first one counts as zero.
-- Arrays with NULL in the same place are equal.
WITH span AS MATERIALIZED (
    SELECT greatest(a.first_wk_end_dt, b.first_wk_end_dt) AS first_week,
           least(a.last_wk_end_dt, b.last_wk_end_dt) AS last_week
    FROM fcst_app.datasets a CROSS JOIN fcst_app.datasets b
    WHERE a.dataset_id = %(dataset_id)s AND b.dataset_id = %(before_id)s
), differing AS (
    SELECT a.unique_id, a.first_wk_end_dt AS first_a, a.unit_sales AS units_a, b.first_wk_end_dt AS first_b,
           b.unit_sales AS units_b, s.first_week, s.last_week
    FROM fcst_app.sales a
    JOIN fcst_app.sales b ON b.dataset_id = %(before_id)s AND b.unique_id = a.unique_id
    CROSS JOIN span s
    WHERE a.dataset_id = %(dataset_id)s
      AND a.unit_sales[(s.first_week - a.first_wk_end_dt) / 7 + 1:(s.last_week - a.first_wk_end_dt) / 7 + 1]
          <> b.unit_sales[(s.first_week - b.first_wk_end_dt) / 7 + 1:(s.last_week - b.first_wk_end_dt) / 7 + 1]
), revised AS (
    SELECT d.unique_id, count(*)::integer AS n_weeks, sum(coalesce(w.a, 0) - coalesce(w.b, 0)) AS units,
           sum(abs(coalesce(w.a, 0) - coalesce(w.b, 0))) AS abs_units
    FROM differing d
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n.week >= d.first_a THEN d.units_a[(n.week - d.first_a) / 7 + 1] ELSE 0 END AS a,
               CASE WHEN n.week >= d.first_b THEN d.units_b[(n.week - d.first_b) / 7 + 1] ELSE 0 END AS b
        FROM (SELECT d.first_week + 7 * step AS week
              FROM generate_series(0, (d.last_week - d.first_week) / 7) AS g (step)) n
    ) w
    WHERE ARRAY[w.a] <> ARRAY[w.b]
    GROUP BY d.unique_id
)
SELECT count(*)::integer AS n_items, coalesce(sum(n_weeks), 0)::integer AS n_weeks,
       coalesce(sum(abs_units), 0)::double precision AS units,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('unique_id', t.unique_id, 'n_weeks', t.n_weeks, 'units', t.units)
                                  ORDER BY t.abs_units DESC, t.unique_id), '[]')
        FROM (SELECT unique_id, n_weeks, units, abs_units FROM revised
              ORDER BY abs_units DESC, unique_id LIMIT %(limit)s) t) AS largest
FROM revised;

-- list_items_without
-- The items of one version of a dataset that another version lacks, largest sellers first; n_found is their number.
SELECT i.unique_id, count(*) OVER ()::integer AS n_found
FROM fcst_app.items i
WHERE i.dataset_id = %(dataset_id)s AND NOT i.is_added AND NOT EXISTS (
    SELECT FROM fcst_app.items o WHERE o.dataset_id = %(other_id)s AND o.unique_id = i.unique_id AND NOT o.is_added)
ORDER BY i.sales_rank LIMIT %(limit)s;

-- list_newly_ended
-- The items that have ended in a version of a dataset and had not in the version before, largest sellers first.
SELECT a.unique_id, count(*) OVER ()::integer AS n_found
FROM fcst_app.items a
JOIN fcst_app.items b ON b.dataset_id = %(before_id)s AND b.unique_id = a.unique_id
JOIN fcst_app.datasets da ON da.dataset_id = a.dataset_id
JOIN fcst_app.datasets db ON db.dataset_id = b.dataset_id
WHERE a.dataset_id = %(dataset_id)s AND NOT a.is_added
  AND a.last_sale_dt <= da.last_wk_end_dt - %(ended_days)s AND b.last_sale_dt > db.last_wk_end_dt - %(ended_days)s
ORDER BY a.sales_rank LIMIT %(limit)s;

-- set_version_changes
-- Adds the changes since the version before to the report of a dataset.
UPDATE fcst_app.datasets SET report = report || jsonb_build_object('changes', %(changes)s::jsonb)
WHERE dataset_id = %(dataset_id)s;
