-- Accuracy by all metrics in several backtest windows; the backtests themselves; the provenance of forecasts. NULL:
-- undefined, or not measured by the version that made the run. Arrays have the job's levels in the order of its spec.
-- Sums are over the known weeks of the window, for totals over items.
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

-- Forecasts of a model from the data up to cutoff, and the actuals: y[step], forecast[step], lo[level][step]. Their
-- accuracy is in metrics under the same key. Like the other item tables, it has no foreign key.
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

-- The same by step, one row per week; y is NULL for missing weeks.
CREATE VIEW fcst_app.backtest_weeks AS
SELECT b.job_id, b.unique_id, b.model, b.cutoff, s.step, b.cutoff + 7 * s.step AS wk_end_dt,
       b.y[s.step] AS y, b.forecast[s.step] AS forecast,
       ARRAY(SELECT b.lo[i][s.step] FROM generate_subscripts(b.lo, 1) i ORDER BY i) AS lo,
       ARRAY(SELECT b.hi[i][s.step] FROM generate_subscripts(b.hi, 1) i ORDER BY i) AS hi,
       b.forecast[s.step] - b.y[s.step] AS error
FROM fcst_app.backtests b CROSS JOIN LATERAL generate_subscripts(b.y, 1) s (step);

-- The models of an item's forecasts, with weights and scores, and the reasons of fallbacks.
ALTER TABLE fcst_app.job_items ADD COLUMN provenance jsonb;
