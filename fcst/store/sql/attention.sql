-- clear_attention
-- What is said of some items of a run, which is about to be written anew.
DELETE FROM fcst_app.attention o
USING (SELECT jsonb_array_elements_text(spec -> 'models') AS model FROM fcst_app.jobs WHERE job_id = %(job_id)s) m
WHERE o.job_id = %(job_id)s AND o.model = m.model AND o.unique_id IN ({keys});

-- find_attention
-- Why some items of a run that have ended need attention, by each of its models, and how many units of the weeks ahead are
-- at stake for it. The items' rows are not there. All is in units, so that no ratio of nothing comes first:
-- errors of backtests are those of a week times the weeks ahead; where only the uncertainty counts it is half the
-- width of the narrowest interval. The last run is the newest earlier one that has a forecast of the item.
INSERT INTO fcst_app.attention (job_id, model, unique_id, last_year, final, reasons, at_stake)
SELECT i.job_id, m.model, i.unique_id, y.last_year, COALESCE(a.total, f.total), r.reasons, r.at_stake
FROM (
    SELECT j.job_id, j.dataset_id, j.spec, j.earlier_job_ids, (j.spec ->> 'h')::integer AS h, d.last_wk_end_dt,
           COALESCE(t.thresholds, '{{}}') AS thresholds
    FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id)
    LEFT JOIN fcst_app.attention_thresholds t ON t.dataset = d.name
    WHERE j.job_id = %(job_id)s
) j
JOIN fcst_app.job_items i ON i.job_id = j.job_id AND i.outcome <> 'pending' AND i.unique_id IN ({keys})
CROSS JOIN LATERAL jsonb_array_elements_text(j.spec -> 'models') m (model)
LEFT JOIN fcst_app.items d ON d.dataset_id = j.dataset_id AND d.unique_id = i.unique_id
LEFT JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id AND f.model = m.model
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = i.job_id AND a.unique_id = i.unique_id AND a.model = m.model
LEFT JOIN fcst_app.sales s ON s.dataset_id = j.dataset_id AND s.unique_id = i.unique_id
LEFT JOIN LATERAL (
    SELECT CASE WHEN count(u.units) = j.h THEN sum(u.units) END AS last_year
    FROM (SELECT s.unit_sales[cardinality(s.unit_sales) + n - 52 * ((n + 51) / 52)] AS units
          FROM generate_series(1, j.h) n) u
) y ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(u.units) AS sold FROM unnest(s.unit_sales[cardinality(s.unit_sales) - j.h + 1 :]) u (units)
) l ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(e.n_weeks) FILTER (WHERE e.model = m.model) AS n_weeks,
           sum(e.abs_error) FILTER (WHERE e.model = 'SeasonalNaive' AND NOT e.is_fallback) AS last_year_error
    FROM fcst_app.metrics e
    WHERE e.job_id = i.job_id AND e.unique_id = i.unique_id AND e.model IN (m.model, 'SeasonalNaive')
) e ON TRUE
LEFT JOIN LATERAL (
    SELECT CASE WHEN cardinality(f.lo) > 0 THEN (SELECT sum(h.narrowest) / 2 FROM (
               SELECT min(f.hi[level][step] - f.lo[level][step]) AS narrowest
               FROM generate_subscripts(f.forecast, 1) step CROSS JOIN LATERAL generate_subscripts(f.lo, 1) level
               GROUP BY step) h) ELSE f.total END AS units
) half ON TRUE
LEFT JOIN LATERAL (
    SELECT p.first_wk_end_dt, p.forecast, p.lo, p.hi
    FROM fcst_app.forecasts p
    WHERE p.job_id = ANY (j.earlier_job_ids) AND p.unique_id = i.unique_id AND p.model = m.model
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
    FROM (VALUES
        (1, 'no forecast', CASE WHEN i.outcome <> 'completed' THEN COALESCE(l.sold, 0) END),
        (2, 'outside interval', CASE WHEN o.n_weeks >= greatest({outside_weeks}, 1) THEN o.units END),
        (3, 'worse than last year', CASE WHEN f.abs_error > e.last_year_error * (1 + {worse_by})
            THEN (f.abs_error - e.last_year_error) / e.n_weeks * j.h END),
        (4, 'biased', CASE WHEN f.abs_error > 0 AND abs(f.error) >= f.abs_error * {one_sided}
            THEN abs(f.error) / e.n_weeks * j.h END),
        (5, 'far from last year', CASE WHEN abs(COALESCE(a.total, f.total) - y.last_year) > y.last_year * {far}
            THEN abs(COALESCE(a.total, f.total) - y.last_year) END),
        (6, 'level shift', CASE WHEN abs(i.level_shift) * j.h >= abs(l.sold) * {shift} THEN abs(i.level_shift) * j.h END),
        (7, 'stock-out', CASE WHEN i.recent_stockouts > 0 THEN i.recent_stockouts * l.sold / j.h END),
        (8, 'outlier', CASE WHEN i.capped_units > 0 THEN i.capped_units END),
        (9, 'new', CASE WHEN i.outcome = 'completed' AND d.n_weeks <= {new_within} THEN half.units END),
        (10, 'ended', CASE WHEN i.outcome = 'completed' AND NOT d.is_added
            AND (d.last_sale_dt IS NULL OR d.last_sale_dt <= j.last_wk_end_dt - 7 * {ended_after})
            THEN COALESCE(a.total, f.total) END),
        (11, 'fallback', CASE WHEN f.is_fallback THEN half.units END),
        (12, 'adjusted', CASE WHEN a.total IS NOT NULL THEN abs(a.total - f.total) END)
    ) v (n, reason, units)
) r;

-- carry_reviews
-- Reviews of the last run that reviewed these items hold on where no reason is new, and the plan is about the same.
INSERT INTO fcst_app.reviews (job_id, unique_id, model, reviewed_by, reviewed_at, reasons, final)
SELECT a.job_id, a.unique_id, a.model, v.reviewed_by, v.reviewed_at, v.reasons, v.final
FROM fcst_app.attention a
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

-- has_attention
-- Whether it was found why items of a run need attention; an earlier version did not.
SELECT EXISTS (SELECT FROM fcst_app.attention WHERE job_id = %(job_id)s) AS found;

-- count_attention
-- How many items of a run that match have each reason, and how many of each are not reviewed; an empty reason stands for
-- any of them.
SELECT r.reason, count(*)::integer AS n_items, count(*) FILTER (WHERE r.reviewed_at IS NULL)::integer AS n_open
FROM ({chosen}) c
JOIN fcst_app.attention a ON a.job_id = %(job_id)s AND a.model = %(model)s AND a.unique_id = c.unique_id
LEFT JOIN fcst_app.reviews v ON v.job_id = a.job_id AND v.model = a.model AND v.unique_id = a.unique_id
CROSS JOIN LATERAL (
    SELECT u.reason, v.reviewed_at FROM unnest(a.reasons) u (reason)
    UNION ALL SELECT '', v.reviewed_at WHERE a.reasons <> '{{}}'
) r
GROUP BY r.reason;

-- review_items
-- Some items are reviewed as they are now; who did so first stays.
INSERT INTO fcst_app.reviews (job_id, unique_id, model, reviewed_by, reasons, final)
SELECT a.job_id, a.unique_id, a.model, %(reviewed_by)s, a.reasons, a.final
FROM ({chosen}) c
JOIN fcst_app.attention a ON a.job_id = %(job_id)s AND a.model = %(model)s AND a.unique_id = c.unique_id
ON CONFLICT DO NOTHING;

-- reopen_items
-- Some items are not reviewed any more.
DELETE FROM fcst_app.reviews v USING ({chosen}) c
WHERE v.job_id = %(job_id)s AND v.model = %(model)s AND v.unique_id = c.unique_id;

-- last_review
-- The newest review of a run, and how many there are: what was read of its reviews holds until one of them changes.
SELECT max(reviewed_at) AS last, count(*) AS n FROM fcst_app.reviews WHERE job_id = %(job_id)s;

-- find_thresholds
-- The thresholds that were set for a dataset's name.
SELECT thresholds FROM fcst_app.attention_thresholds WHERE dataset = %(dataset)s;

-- set_thresholds
-- They hold for all runs of the name, as soon as what needs attention is found anew.
INSERT INTO fcst_app.attention_thresholds (dataset, thresholds, set_by)
VALUES (%(dataset)s, %(thresholds)s, %(set_by)s)
ON CONFLICT (dataset) DO UPDATE SET thresholds = EXCLUDED.thresholds, set_by = EXCLUDED.set_by, set_at = now();

-- find_abc
-- From which units sold, or value where prices are known, an item is of class A, and of class B.
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
