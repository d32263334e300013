-- Store one row per series: the sales of an item, and a model's forecast of an item in a run. Views return rows by
-- week. The migration runs in steps, to report progress.

ALTER TABLE fcst_app.weekly_sales RENAME TO weekly_sales_before;
ALTER TABLE fcst_app.forecasts RENAME TO forecasts_before;
ALTER INDEX fcst_app.forecasts_pkey RENAME TO forecasts_before_pkey;

-- One value per week, from first_wk_end_dt to the last week of the dataset. NULL is a missing week: all its rows were
-- promotional and left out. promo_units is NULL if no week of the item has promotional units.
CREATE TABLE fcst_app.sales (
    dataset_id      integer NOT NULL,
    unique_id       text COLLATE "C" NOT NULL,
    first_wk_end_dt date NOT NULL,
    unit_sales      double precision[] NOT NULL,
    promo_units     double precision[],
    PRIMARY KEY (dataset_id, unique_id),
    CHECK (cardinality(promo_units) = cardinality(unit_sales))
);

-- Units of all items by week, of each family and of each class. Arrays as in sales, over all weeks of the dataset;
-- n_items is the number of items whose history includes the week. Items without a family or class count under an empty
-- key.
CREATE TABLE fcst_app.sales_totals (
    dataset_id      integer NOT NULL REFERENCES fcst_app.datasets ON DELETE CASCADE,
    grouped_by      text NOT NULL CHECK (grouped_by IN ('all', 'family', 'class')),
    key             text COLLATE "C" NOT NULL,
    first_wk_end_dt date NOT NULL,
    unit_sales      double precision[] NOT NULL,
    promo_units     double precision[] NOT NULL,
    n_items         integer[] NOT NULL,
    PRIMARY KEY (dataset_id, grouped_by, key)
);

-- forecast[step], lo[level][step], hi[level][step]; the levels are those of the run's spec, in its order. Columns for
-- filtering and sorting items are stored separately, so that no array is read for them: heaviest is the model with the
-- largest weight in the forecast, total is the forecast's, sold is the units of as many weeks before it, without
-- missing ones; change is total / sold - 1 if all of them are known; abs_error, error and actual are the sums of the
-- model's rows in metrics. NULL is undefined.
CREATE TABLE fcst_app.forecasts (
    job_id          integer NOT NULL,
    unique_id       text COLLATE "C" NOT NULL,
    model           text NOT NULL,
    first_wk_end_dt date NOT NULL,
    forecast        double precision[] NOT NULL,
    lo              double precision[] NOT NULL,
    hi              double precision[] NOT NULL,
    is_fallback     boolean NOT NULL,
    made_by         text NOT NULL,
    heaviest        text NOT NULL,
    total           double precision NOT NULL,
    sold            double precision,
    change          double precision,
    abs_error       double precision,
    error           double precision,
    actual          double precision,
    PRIMARY KEY (job_id, unique_id, model),
    CHECK ((0 <= ALL (forecast) AND 'infinity' > ALL (forecast)) IS TRUE)
);

-- Text for searching: key and description in lower case.
ALTER TABLE fcst_app.items ADD COLUMN search_text text COLLATE "C" NOT NULL DEFAULT '';

-- Pages sort a run's items by sales or by the forecast of one model, with index-only scans.
CREATE INDEX job_items_rank ON fcst_app.job_items (job_id, sales_rank) INCLUDE (unique_id, outcome);
CREATE INDEX forecasts_model ON fcst_app.forecasts (job_id, model, unique_id)
    INCLUDE (total, sold, change, abs_error, error, actual, is_fallback);

-- for each row of: SELECT dataset_id, first, first + 9999 AS last FROM fcst_app.datasets, generate_series(1, n_items, 10000) first ORDER BY 1, 2
INSERT INTO fcst_app.sales (dataset_id, unique_id, first_wk_end_dt, unit_sales, promo_units)
SELECT i.dataset_id, i.unique_id, min(w.wk_end_dt), array_agg(w.unit_sales ORDER BY w.wk_end_dt),
       CASE WHEN bool_or(w.promo_units <> 0) THEN array_agg(w.promo_units ORDER BY w.wk_end_dt) END
FROM fcst_app.items i JOIN fcst_app.weekly_sales_before w USING (dataset_id, unique_id)
WHERE i.dataset_id = %(dataset_id)s AND i.sales_rank BETWEEN %(first)s AND %(last)s
GROUP BY i.dataset_id, i.unique_id;
UPDATE fcst_app.items SET search_text = lower(unique_id || E'\x1f' || COALESCE(description, '') COLLATE "default")
WHERE dataset_id = %(dataset_id)s AND sales_rank BETWEEN %(first)s AND %(last)s;
-- for all

-- for each row of: SELECT dataset_id, first_wk_end_dt, last_wk_end_dt FROM fcst_app.datasets ORDER BY 1
INSERT INTO fcst_app.sales_totals (dataset_id, grouped_by, key, first_wk_end_dt, unit_sales, promo_units, n_items)
WITH sums AS (
    SELECT g.grouped_by, g.key, w.wk_end_dt, sum(w.unit_sales) AS unit_sales, sum(w.promo_units) AS promo_units,
           count(*) AS n_items
    FROM fcst_app.items i JOIN fcst_app.weekly_sales_before w USING (dataset_id, unique_id)
    CROSS JOIN LATERAL (VALUES ('all', ''), ('family', COALESCE(i.family, '')), ('class', COALESCE(i.class, '')))
        g (grouped_by, key)
    WHERE i.dataset_id = %(dataset_id)s GROUP BY g.grouped_by, g.key, w.wk_end_dt
)
SELECT %(dataset_id)s, k.grouped_by, k.key, %(first_wk_end_dt)s,
       array_agg(COALESCE(s.unit_sales, 0) ORDER BY c.week), array_agg(COALESCE(s.promo_units, 0) ORDER BY c.week),
       array_agg(COALESCE(s.n_items, 0)::integer ORDER BY c.week)
FROM (SELECT DISTINCT grouped_by, key FROM sums) k
CROSS JOIN generate_series(0, (%(last_wk_end_dt)s::date - %(first_wk_end_dt)s::date) / 7) c (week)
LEFT JOIN sums s ON s.grouped_by = k.grouped_by AND s.key = k.key
    AND s.wk_end_dt = %(first_wk_end_dt)s::date + 7 * c.week
WHERE k.grouped_by = 'all' OR EXISTS (
    SELECT 1 FROM fcst_app.items i WHERE i.dataset_id = %(dataset_id)s
    AND CASE k.grouped_by WHEN 'family' THEN i.family ELSE i.class END IS NOT NULL)
GROUP BY k.grouped_by, k.key;
-- for all

-- for each row of: SELECT job_id, min(batch_id) AS first, max(batch_id) AS last FROM fcst_app.batch_status GROUP BY job_id, batch_no / 10 ORDER BY 1, 2
INSERT INTO fcst_app.forecasts (job_id, unique_id, model, first_wk_end_dt, forecast, lo, hi, is_fallback, made_by,
                                heaviest, total, sold, change, abs_error, error, actual)
WITH weeks AS (
    SELECT f.* FROM fcst_app.job_items i JOIN fcst_app.forecasts_before f USING (job_id, unique_id)
    WHERE i.batch_id BETWEEN %(first)s AND %(last)s AND i.job_id = %(job_id)s
), levels AS (
    SELECT w.unique_id, w.model, l.level, array_agg(w.lo[l.level] ORDER BY w.wk_end_dt) AS lo,
           array_agg(w.hi[l.level] ORDER BY w.wk_end_dt) AS hi
    FROM weeks w CROSS JOIN LATERAL generate_subscripts(w.lo, 1) l (level) GROUP BY w.unique_id, w.model, l.level
), bounds AS (
    SELECT unique_id, model, array_agg(lo ORDER BY level) AS lo, array_agg(hi ORDER BY level) AS hi
    FROM levels GROUP BY unique_id, model
), series AS (
    SELECT w.unique_id, w.model, min(w.wk_end_dt) AS first_wk_end_dt,
           array_agg(w.forecast ORDER BY w.wk_end_dt) AS forecast, bool_or(w.is_fallback) AS is_fallback,
           max(w.made_by) AS made_by, sum(w.forecast) AS total, count(*) AS h
    FROM weeks w GROUP BY w.unique_id, w.model
)
SELECT %(job_id)s, f.unique_id, f.model, f.first_wk_end_dt, f.forecast, COALESCE(b.lo, '{}'), COALESCE(b.hi, '{}'),
       f.is_fallback, f.made_by, regexp_replace(f.made_by, ' \d+%%.*', ''), f.total, r.sold,
       CASE WHEN r.n_known = f.h THEN f.total / NULLIF(r.sold, 0) - 1 END,
       e.abs_error, e.error, e.actual
FROM series f LEFT JOIN bounds b USING (unique_id, model)
LEFT JOIN LATERAL (
    SELECT sum(u.units) AS sold, count(u.units) AS n_known
    FROM fcst_app.jobs j JOIN fcst_app.sales s ON s.dataset_id = j.dataset_id AND s.unique_id = f.unique_id
    CROSS JOIN LATERAL unnest(s.unit_sales[cardinality(s.unit_sales) - f.h::integer + 1 :]) u (units)
    WHERE j.job_id = %(job_id)s
) r ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(m.abs_error) AS abs_error, sum(m.error) AS error, sum(m.actual) AS actual FROM fcst_app.metrics m
    WHERE m.job_id = %(job_id)s AND m.unique_id = f.unique_id AND m.model = f.model
) e ON TRUE;
-- for all

DROP TABLE fcst_app.weekly_sales_before, fcst_app.forecasts_before;

-- One row per item and week.
CREATE VIEW fcst_app.weekly_sales AS
SELECT s.dataset_id, s.unique_id, s.first_wk_end_dt + 7 * (w.n::integer - 1) AS wk_end_dt, w.unit_sales,
       COALESCE(w.promo_units, 0) AS promo_units
FROM fcst_app.sales s
CROSS JOIN LATERAL unnest(s.unit_sales, s.promo_units) WITH ORDINALITY w (unit_sales, promo_units, n);

-- One row per run, item, model and week. bounds ->> 'lo_80' is the lower bound of the level of 80 percent.
CREATE VIEW fcst_app.forecast_weeks AS
SELECT f.job_id, f.unique_id, f.model, s.step, f.first_wk_end_dt + 7 * (s.step - 1) AS wk_end_dt,
       f.forecast[s.step] AS forecast,
       (SELECT COALESCE(jsonb_object_agg(b.side || '_' || l.level, b.bound), '{}')
        FROM jsonb_array_elements_text(j.spec -> 'level') WITH ORDINALITY l (level, i)
        CROSS JOIN LATERAL (VALUES ('lo', f.lo[l.i::integer][s.step]), ('hi', f.hi[l.i::integer][s.step])) b (side, bound)
       ) AS bounds,
       f.is_fallback, f.made_by
FROM fcst_app.forecasts f
JOIN fcst_app.jobs j USING (job_id)
CROSS JOIN LATERAL generate_subscripts(f.forecast, 1) s (step);

-- One row per run, item, model, cutoff and week; y is NULL for missing weeks.
DROP VIEW fcst_app.backtest_weeks;
CREATE VIEW fcst_app.backtest_weeks AS
SELECT b.job_id, b.unique_id, b.model, b.cutoff, s.step, b.cutoff + 7 * s.step AS wk_end_dt,
       b.y[s.step] AS y, b.forecast[s.step] AS forecast,
       (SELECT COALESCE(jsonb_object_agg(x.side || '_' || l.level, x.bound), '{}')
        FROM jsonb_array_elements_text(j.spec -> 'level') WITH ORDINALITY l (level, i)
        CROSS JOIN LATERAL (VALUES ('lo', b.lo[l.i::integer][s.step]), ('hi', b.hi[l.i::integer][s.step])) x (side, bound)
       ) AS bounds,
       b.forecast[s.step] - b.y[s.step] AS error
FROM fcst_app.backtests b
JOIN fcst_app.jobs j USING (job_id)
CROSS JOIN LATERAL generate_subscripts(b.y, 1) s (step);
