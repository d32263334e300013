-- Turns a submitted run into a computed or partly computed one, with random numbers of realistic size.

-- Items: one in fails_in fails, with one of seven reasons; models have ten candidates each.
UPDATE fcst_app.job_items i
SET finished_at = now(), attempt = 1, outcome = o.outcome, provenance = p.provenance,
    reason = CASE WHEN o.outcome = 'failed' THEN 'a history of kind ' || mod(i.sales_rank, 7) || ' cannot be fitted' END
FROM fcst_app.batch_status b,
     LATERAL (SELECT jsonb_agg(w + 0.25) AS weeks FROM generate_series(1, %(h)s) w) f,
     LATERAL (
         SELECT jsonb_agg(jsonb_build_object('model', 'candidate ' || c, 'weight', 0.1, 'score', 3.5, 'n_weeks', 39,
                          'abs_error', 20, 'error', 5, 'actual', 100, 'forecast', f.weeks)) AS candidates
         FROM generate_series(1, 10) c
     ) c,
     LATERAL (
         SELECT jsonb_build_object('catalogue', 1, 'statsforecast', '2', 'models', jsonb_object_agg(m, jsonb_build_object(
                    'made_by', m, 'fallback', NULL, 'weeks_ago', '[13, 26, 39]'::jsonb, 'demand_class', 'smooth',
                    'loss', 'absolute', 'candidates', c.candidates))) AS provenance
         FROM unnest(%(models)s) m
     ) p,
     (VALUES ('failed', true), ('completed', false)) o (outcome, is_failed)
WHERE i.job_id = %(job_id)s AND b.batch_id = i.batch_id AND b.batch_no <= %(n_done)s
  AND o.is_failed = (mod(i.sales_rank, %(fails_in)s) = 0);

INSERT INTO fcst_app.metrics (job_id, unique_id, model, cutoff, n_weeks, abs_error, error, sq_error, actual, pinball,
                              smape, mase, rmsse, is_fallback, made_by, coverage, mean_width, msis)
SELECT job_id, unique_id, m, %(last)s::date - 91 * w, 13, 20 * random(), 10 * random(), 30, 100, 8, 0.2, 0.8, 0.9,
       false, m, '{0.8, 0.95}', '{10, 20}', '{3, 4}'
FROM fcst_app.job_items CROSS JOIN unnest(%(measured)s) m CROSS JOIN generate_series(1, %(n_windows)s) w
WHERE job_id = %(job_id)s AND outcome = 'completed';

INSERT INTO fcst_app.forecasts (job_id, unique_id, model, first_wk_end_dt, forecast, lo, hi, is_fallback, made_by,
                                heaviest)
SELECT i.job_id, i.unique_id, m, %(last)s::date + 7, f.units, ARRAY[f.lo_80, f.lo_95], ARRAY[f.hi_80, f.hi_95], false, m, m
FROM fcst_app.job_items i CROSS JOIN unnest(%(models)s) m
CROSS JOIN LATERAL (
    SELECT array_agg(u ORDER BY w) AS units, array_agg(u * 0.8 ORDER BY w) AS lo_80,
           array_agg(u * 0.6 ORDER BY w) AS lo_95, array_agg(u * 1.2 ORDER BY w) AS hi_80,
           array_agg(u * 1.4 ORDER BY w) AS hi_95
    FROM (SELECT w, random() * 100 + w * length(i.unique_id) AS u FROM generate_series(1, %(h)s) w OFFSET 0) s
) f
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed';

INSERT INTO fcst_app.forecast_sums (job_id, model, unique_id, sales_rank, forecast, final, sold, last_year,
                                    known_last_year, down, up, abs_error, error, actual)
SELECT f.job_id, f.model, f.unique_id, i.sales_rank, t.units, t.units, s.sold, s.sold, s.sold,
       ARRAY[0.2 * t.units, 0.4 * t.units], ARRAY[0.2 * t.units, 0.4 * t.units], e.abs_error, e.error, e.actual
FROM fcst_app.forecasts f
JOIN fcst_app.job_items i USING (job_id, unique_id)
CROSS JOIN LATERAL (SELECT sum(u.units) AS units FROM unnest(f.forecast) u (units)) t
CROSS JOIN LATERAL (
    SELECT sum(u.units) AS sold FROM fcst_app.sales s
    CROSS JOIN LATERAL unnest(s.unit_sales[cardinality(s.unit_sales) - %(h)s + 1 :]) u (units)
    WHERE s.dataset_id = %(dataset_id)s AND s.unique_id = i.unique_id
) s
CROSS JOIN LATERAL (
    SELECT sum(r.abs_error) AS abs_error, sum(r.error) AS error, sum(r.actual) AS actual FROM fcst_app.metrics r
    WHERE r.job_id = i.job_id AND r.unique_id = i.unique_id AND r.model = f.model
) e
WHERE f.job_id = %(job_id)s;

INSERT INTO fcst_app.backtests (job_id, unique_id, model, cutoff, y, forecast, lo, hi)
SELECT %(job_id)s, unique_id, m, cutoff, y, f, ARRAY[lo_80, lo_95], ARRAY[hi_80, hi_95]
FROM (
    SELECT i.unique_id, %(last)s::date - 91 * n AS cutoff, array_agg(w.unit_sales) AS y,
           array_agg(u.units * 1.1) AS f, array_agg(u.units * 0.8) AS lo_80, array_agg(u.units * 0.6) AS lo_95,
           array_agg(u.units * 1.2) AS hi_80, array_agg(u.units * 1.4) AS hi_95
    FROM fcst_app.job_items i CROSS JOIN generate_series(1, %(n_windows)s) n
    JOIN fcst_app.weekly_sales w ON w.dataset_id = %(dataset_id)s AND w.unique_id = i.unique_id
         AND w.wk_end_dt > %(last)s::date - 91 * n AND w.wk_end_dt <= %(last)s::date - 91 * (n - 1)
    CROSS JOIN LATERAL (SELECT COALESCE(w.unit_sales, 0) AS units) u
    WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' GROUP BY i.unique_id, n HAVING count(*) = 13
) s CROSS JOIN unnest(%(measured)s) m;

-- Batches: one in 50 loses its worker once. A trigger writes the events.
UPDATE fcst_app.batch_status SET stage = 'obtaining_sales', attempt = 1, started_at = now(), worker_id = %(worker)s
WHERE job_id = %(job_id)s AND batch_no <= %(n_done)s;
UPDATE fcst_app.batch_status SET stage = 'submitted', error = 'its worker was lost'
WHERE job_id = %(job_id)s AND stage = 'obtaining_sales' AND mod(batch_no, 50) = 0;
UPDATE fcst_app.batch_status SET stage = 'obtaining_sales', attempt = 2, error = NULL
WHERE job_id = %(job_id)s AND stage = 'submitted' AND attempt = 1;
UPDATE fcst_app.batch_status SET stage = 'processing' WHERE job_id = %(job_id)s AND stage = 'obtaining_sales';
UPDATE fcst_app.batch_status SET stage = 'saving' WHERE job_id = %(job_id)s AND stage = 'processing';
UPDATE fcst_app.batch_status b
SET stage = 'completed', finished_at = now(), n_failed = i.n_failed, n_completed = n_items - i.n_failed
FROM (
    SELECT batch_id, count(*) FILTER (WHERE outcome = 'failed') AS n_failed FROM fcst_app.job_items
    WHERE job_id = %(job_id)s GROUP BY batch_id
) i
WHERE b.batch_id = i.batch_id AND b.stage = 'saving';

-- Times: two batches at a time, one second each, the last one now.
UPDATE fcst_app.batch_status b
SET submitted_at = s.at, started_at = s.at, finished_at = s.at + interval '1 s'
FROM (
    SELECT batch_id, now() + (batch_no - %(n_done)s - 2) * interval '0.5 s' AS at FROM fcst_app.batch_status
    WHERE job_id = %(job_id)s AND stage = 'completed'
) s
WHERE b.batch_id = s.batch_id;
UPDATE fcst_app.batch_events e
SET at = b.started_at + CASE to_stage WHEN 'completed' THEN interval '1 s' WHEN 'saving' THEN interval '0.9 s'
                                      WHEN 'processing' THEN interval '0.1 s' ELSE interval '0' END
FROM fcst_app.batch_status b WHERE e.job_id = %(job_id)s AND b.batch_id = e.batch_id AND b.stage = 'completed';
UPDATE fcst_app.jobs j
SET submitted_at = b.at, resumed_at = b.at, status = CASE WHEN b.n_open = 0 THEN 'completed' END,
    finished_at = CASE WHEN b.n_open = 0 THEN now() END
FROM (
    SELECT min(submitted_at) AS at, count(*) FILTER (WHERE finished_at IS NULL) AS n_open
    FROM fcst_app.batch_status WHERE job_id = %(job_id)s
) b
WHERE j.job_id = %(job_id)s;
