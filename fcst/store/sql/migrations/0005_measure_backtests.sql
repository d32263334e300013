-- Accuracy by all metrics, on several windows of the past; the windows themselves; where each forecast comes from.
-- NULL is undefined, or was not measured by the version that made the run. Arrays hold the job's levels in the order of
-- its spec. Sums are over the known weeks of the window: from them totals over items are made.
ALTER TABLE fcst_app.metrics
    ADD COLUMN sq_error    double precision,
    ADD COLUMN pinball     double precision,
    ADD COLUMN smape       double precision,
    ADD COLUMN mase        double precision,
    ADD COLUMN rmsse       double precision,
    ADD COLUMN scaled_crps double precision,
    ADD COLUMN coverage    double precision[] NOT NULL DEFAULT '{}',
    ADD COLUMN mean_width  double precision[] NOT NULL DEFAULT '{}',
    ADD COLUMN msis        double precision[] NOT NULL DEFAULT '{}';

-- What a model said after cutoff, from what was known then, and what came: y[step], forecast[step], lo[level][step].
-- Their accuracy stands in metrics under the same key. As the tables beside it, it has no foreign key.
CREATE TABLE fcst_app.backtests (
    job_id    integer NOT NULL,
    unique_id text COLLATE "C" NOT NULL,
    model     text NOT NULL,
    cutoff    date NOT NULL,
    y         double precision[] NOT NULL,
    forecast  double precision[] NOT NULL,
    lo        double precision[] NOT NULL,
    hi        double precision[] NOT NULL,
    PRIMARY KEY (job_id, unique_id, model, cutoff)
);

-- The same by horizon step, one row a week; y is NULL where the week is missing.
CREATE VIEW fcst_app.backtest_weeks AS
SELECT b.job_id, b.unique_id, b.model, b.cutoff, s.step, b.cutoff + 7 * s.step AS wk_end_dt,
       b.y[s.step] AS y, b.forecast[s.step] AS forecast,
       ARRAY(SELECT b.lo[i][s.step] FROM generate_subscripts(b.lo, 1) i ORDER BY i) AS lo,
       ARRAY(SELECT b.hi[i][s.step] FROM generate_subscripts(b.hi, 1) i ORDER BY i) AS hi,
       b.forecast[s.step] - b.y[s.step] AS error
FROM fcst_app.backtests b CROSS JOIN LATERAL generate_subscripts(b.y, 1) s (step);

-- Which models made an item's forecasts, with what weight, by what scores, and why one stood in for another.
ALTER TABLE fcst_app.job_items ADD COLUMN provenance jsonb;
