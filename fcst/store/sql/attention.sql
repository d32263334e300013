-- clear_sums
-- Deletes the forecast totals of some items of a run, before they are rewritten.
DELETE FROM fcst_app.forecast_sums o
USING (SELECT jsonb_array_elements_text(spec -> 'models') AS model FROM fcst_app.jobs WHERE job_id = %(job_id)s) m
WHERE o.job_id = %(job_id)s AND o.model = m.model AND o.unique_id IN ({keys});

-- find_sums
-- Writes the forecast totals of some items of a run by model, their attention reasons, and the units at stake over the
-- horizon. The rows of the items must not exist. Reasons are compared in units, so that ratios to zero do not rank
-- first: backtest errors per week are multiplied by the horizon; where only uncertainty counts, half the width of the
-- narrowest interval is used. The earlier run is the newest one with a forecast of the item.
WITH run AS MATERIALIZED (
    SELECT j.dataset_id, j.earlier_job_ids, (j.spec ->> 'h')::integer AS h, d.last_wk_end_dt, {outside_weeks} AS outside_weeks,
           {worse_by} AS worse_by, {bias_ratio} AS bias_ratio, {plan_change} AS plan_change, {shift} AS shift
    FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id)
    LEFT JOIN fcst_app.attention_thresholds t ON t.dataset = d.name
    WHERE j.job_id = %(job_id)s
)
INSERT INTO fcst_app.forecast_sums (job_id, model, unique_id, sales_rank, forecast, final, sold, last_year,
                                    known_last_year, down, up, abs_error, error, actual, reasons, at_stake)
SELECT f.job_id, f.model, i.unique_id, i.sales_rank, t.forecast, t.final, l.sold,
       CASE WHEN l.is_whole THEN l.last_year END, l.last_year, COALESCE(b.down, '{{}}'),
       COALESCE(b.up, '{{}}'), e.abs_error, e.error, e.actual, r.reasons, r.at_stake
FROM run j
JOIN fcst_app.job_items i ON i.job_id = %(job_id)s AND i.outcome = 'completed' AND i.unique_id IN ({keys})
JOIN fcst_app.forecasts f ON f.job_id = %(job_id)s AND f.unique_id = i.unique_id
LEFT JOIN fcst_app.items d ON d.dataset_id = j.dataset_id AND d.unique_id = i.unique_id
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = %(job_id)s AND a.model = f.model AND a.unique_id = f.unique_id
LEFT JOIN fcst_app.sales s ON s.dataset_id = j.dataset_id AND s.unique_id = i.unique_id
CROSS JOIN LATERAL (
    SELECT sum(u.forecast) AS forecast, sum(COALESCE(u.adjusted, u.forecast)) AS final
    FROM unnest(f.forecast, a.adjusted) u (forecast, adjusted)
) t
CROSS JOIN LATERAL ({sold}) l
CROSS JOIN LATERAL (
    SELECT array_agg(t.forecast - g.lo ORDER BY g.level) AS down, array_agg(g.hi - t.forecast ORDER BY g.level) AS up
    FROM (
        SELECT (w.n - 1) / j.h AS level, sum(w.lo) AS lo, sum(w.hi) AS hi
        FROM unnest(f.lo, f.hi) WITH ORDINALITY w (lo, hi, n) GROUP BY 1
    ) g
) b
CROSS JOIN LATERAL (
    SELECT sum(m.n_weeks) FILTER (WHERE m.model = f.model) AS n_weeks,
           sum(m.abs_error) FILTER (WHERE m.model = f.model) AS abs_error,
           sum(m.error) FILTER (WHERE m.model = f.model) AS error,
           sum(m.actual) FILTER (WHERE m.model = f.model) AS actual,
           sum(m.abs_error) FILTER (WHERE m.model = 'SeasonalNaive' AND NOT m.is_fallback) AS last_year_error
    FROM fcst_app.metrics m
    WHERE m.job_id = %(job_id)s AND m.unique_id = i.unique_id AND m.model IN (f.model, 'SeasonalNaive')
) e
CROSS JOIN LATERAL (
    SELECT CASE WHEN NOT (f.is_fallback OR d.n_weeks <= {new_within}) THEN NULL
                WHEN cardinality(f.lo) > 0 THEN (SELECT sum(h.narrowest) / 2 FROM (
                    SELECT min(f.hi[level][step] - f.lo[level][step]) AS narrowest
                    FROM generate_subscripts(f.forecast, 1) step CROSS JOIN LATERAL generate_subscripts(f.lo, 1) level
                    GROUP BY step) h)
                ELSE t.forecast END AS units
) half
LEFT JOIN LATERAL (
    SELECT p.first_wk_end_dt, p.forecast, p.lo, p.hi
    FROM fcst_app.forecasts p
    WHERE p.job_id = ANY (j.earlier_job_ids) AND p.unique_id = i.unique_id AND p.model = f.model
    ORDER BY p.job_id DESC LIMIT 1
) p ON TRUE
LEFT JOIN LATERAL (
    SELECT count(*) AS n_weeks, sum(abs(w.sold - w.forecast)) AS units
    FROM (
        SELECT p.forecast[step] AS forecast, (SELECT min(b) FROM unnest(p.lo[:][step:step]) b) AS lo,
               (SELECT max(b) FROM unnest(p.hi[:][step:step]) b) AS hi,
               s.unit_sales[(p.first_wk_end_dt - s.first_wk_end_dt) / 7 + step] AS sold
        FROM generate_subscripts(p.forecast, 1) step WHERE p.first_wk_end_dt + 7 * (step - 1) <= j.last_wk_end_dt
    ) w
    WHERE w.sold < w.lo OR w.sold > w.hi
) o ON TRUE
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(v.reason ORDER BY v.n) FILTER (WHERE v.units IS NOT NULL), '{{}}') AS reasons,
           COALESCE(max(v.units), 0) AS at_stake
    FROM unnest(
        ARRAY['outside interval', 'worse than last year', 'biased', 'far from last year', 'level shift', 'stock-out',
              'outlier', 'new', 'ended', 'fallback', 'adjusted'],
        ARRAY[
            CASE WHEN o.n_weeks >= greatest(j.outside_weeks, 1) THEN o.units END,
            CASE WHEN e.abs_error > e.last_year_error * (1 + j.worse_by)
                THEN (e.abs_error - e.last_year_error) / e.n_weeks * j.h END,
            CASE WHEN e.abs_error > 0 AND abs(e.error) >= e.abs_error * j.bias_ratio THEN abs(e.error) / e.n_weeks * j.h END,
            CASE WHEN l.is_whole AND abs(t.final - l.last_year) > l.last_year * j.plan_change THEN abs(t.final - l.last_year) END,
            CASE WHEN abs(i.level_shift) * j.h >= abs(l.sold) * j.shift THEN abs(i.level_shift) * j.h END,
            CASE WHEN i.recent_stockouts > 0 THEN i.recent_stockouts * l.sold / j.h END,
            CASE WHEN i.capped_units > 0 THEN i.capped_units END,
            CASE WHEN d.n_weeks <= {new_within} THEN half.units END,
            CASE WHEN NOT d.is_added
                AND (d.last_sale_dt IS NULL OR d.last_sale_dt <= j.last_wk_end_dt - 7 * {ended_after}) THEN t.final END,
            CASE WHEN f.is_fallback THEN half.units END,
            CASE WHEN a.adjusted IS NOT NULL THEN abs(t.final - t.forecast) END
        ]
    ) WITH ORDINALITY v (reason, units, n)
) r;

-- carry_reviews
-- Copies the reviews of the last earlier run that completed the item, if there is no new reason and the plan changed by
-- at most a tenth.
INSERT INTO fcst_app.reviews (job_id, unique_id, model, reviewed_by, reviewed_at, reasons, final)
SELECT a.job_id, a.unique_id, a.model, v.reviewed_by, v.reviewed_at, v.reasons, v.final
FROM fcst_app.forecast_sums a
JOIN fcst_app.jobs j USING (job_id)
CROSS JOIN LATERAL (
    SELECT o.reviewed_by, o.reviewed_at, o.reasons, o.final FROM fcst_app.reviews o
    WHERE o.job_id = ANY (j.earlier_job_ids) AND o.unique_id = a.unique_id AND o.model = a.model
      AND o.job_id = (SELECT max(c.job_id) FROM fcst_app.job_items c WHERE c.job_id = ANY (j.earlier_job_ids)
                      AND c.unique_id = a.unique_id AND c.outcome = 'completed')
) v
WHERE a.job_id = %(job_id)s AND a.unique_id IN ({keys}) AND a.reasons <@ v.reasons
  AND abs(a.final - v.final) <= 0.1 * abs(v.final)
ON CONFLICT DO NOTHING;

-- lacks_reasons
-- Whether items of a run have no attention reasons, as in runs of earlier versions.
SELECT EXISTS (SELECT FROM fcst_app.forecast_sums WHERE job_id = %(job_id)s AND reasons IS NULL) AS found;

-- count_attention
-- Number of items of a run that match by reason, all and not reviewed; the empty reason counts items with any reason.
SELECT r.reason, count(*)::integer AS n_items, count(*) FILTER (WHERE v.reviewed_at IS NULL)::integer AS n_open
FROM ({chosen}) c
LEFT JOIN fcst_app.reviews v ON v.job_id = %(job_id)s AND v.model = %(model)s AND v.unique_id = c.unique_id
CROSS JOIN LATERAL (SELECT unnest(c.reasons) AS reason UNION ALL SELECT '' WHERE c.reasons <> '{{}}') r
GROUP BY r.reason;

-- review_items
-- Marks items as reviewed in their current state; the first review is kept. Skips items without results.
INSERT INTO fcst_app.reviews (job_id, unique_id, model, reviewed_by, reasons, final)
SELECT %(job_id)s, c.unique_id, %(model)s, %(reviewed_by)s, c.reasons, c.final
FROM ({chosen}) c WHERE c.final IS NOT NULL OR c.reasons <> '{{}}'
ON CONFLICT DO NOTHING;

-- reopen_items
-- Deletes the reviews of some items.
DELETE FROM fcst_app.reviews v USING ({chosen}) c
WHERE v.job_id = %(job_id)s AND v.model = %(model)s AND v.unique_id = c.unique_id;

-- last_review
-- The time of a run's last review and the number of reviews; used to invalidate caches.
SELECT max(reviewed_at) AS last, count(*) AS n FROM fcst_app.reviews WHERE job_id = %(job_id)s;

-- find_thresholds
-- The thresholds set for a dataset's name.
SELECT thresholds FROM fcst_app.attention_thresholds WHERE dataset = %(dataset)s;

-- set_thresholds
-- Sets the thresholds of a dataset's name; runs use them after their attention reasons are recomputed.
INSERT INTO fcst_app.attention_thresholds (dataset, thresholds, set_by)
VALUES (%(dataset)s, %(thresholds)s, %(set_by)s)
ON CONFLICT (dataset) DO UPDATE SET thresholds = EXCLUDED.thresholds, set_by = EXCLUDED.set_by, set_at = now();

-- find_abc
-- Stores the lower limits of the classes A and B, in units sold, or in value if prices are known.
WITH priced AS (
    SELECT EXISTS (SELECT FROM fcst_app.items WHERE dataset_id = %(dataset_id)s AND price IS NOT NULL) AS by_value
), goods AS (
    SELECT greatest(d.total_units * CASE WHEN p.by_value THEN COALESCE(d.price, 0) ELSE 1 END, 0) AS worth
    FROM fcst_app.items d CROSS JOIN priced p WHERE d.dataset_id = %(dataset_id)s
), summed AS (
    SELECT worth, sum(worth) OVER (ORDER BY worth DESC ROWS UNBOUNDED PRECEDING) - worth AS before, sum(worth) OVER () AS total
    FROM goods
)
UPDATE fcst_app.datasets SET abc_a = c.a, abc_b = c.b, abc_by_value = p.by_value
FROM (SELECT COALESCE(min(worth) FILTER (WHERE before < {share_a} * total), 0) AS a,
             COALESCE(min(worth) FILTER (WHERE before < {share_b} * total), 0) AS b FROM summed) c
CROSS JOIN priced p
WHERE dataset_id = %(dataset_id)s AND abc_a IS NULL;
