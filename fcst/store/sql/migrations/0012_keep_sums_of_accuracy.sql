-- Sums behind the accuracy of models, stored for each batch when it completes: over all its items (grouped_by is
-- 'model'), by family, demand class, window, and step in weeks ahead ('horizon'). Pages read a few rows per batch
-- instead of a dozen per item. A sum is NULL if it is undefined for all rows; arrays have a value for each level of the
-- run's spec. Like metrics and backtests, from which it can be recomputed, it has no foreign key.
CREATE TABLE fcst_app.accuracy_sums (
    job_id                integer NOT NULL,
    batch_id              bigint NOT NULL,
    grouped_by            text NOT NULL CHECK (grouped_by IN ('model', 'family', 'demand_class', 'window', 'horizon')),
    key                   text COLLATE "C",
    model                 text NOT NULL,
    n_items               bigint,
    n_fallback            bigint,
    n_windows             bigint,
    n_weeks               bigint,
    n_unsold              bigint,
    n_unscaled            bigint,
    actual                double precision,
    abs_error             double precision,
    error                 double precision,
    pinball               double precision,
    pinball_actual        double precision,
    smape                 double precision,
    n_smape               bigint,
    mase                  double precision,
    n_mase                bigint,
    rmsse                 double precision,
    n_rmsse               bigint,
    seasonal_naive        double precision,
    beside_seasonal_naive double precision,
    naive                 double precision,
    beside_naive          double precision,
    level_weeks           double precision[],
    covered               double precision[],
    width                 double precision[],
    msis                  double precision[],
    n_msis                double precision[]
);
CREATE INDEX accuracy_sums_group ON fcst_app.accuracy_sums (job_id, grouped_by);
CREATE INDEX accuracy_sums_batch ON fcst_app.accuracy_sums (batch_id);

-- Whether the batch has stored sums; false for incomplete batches and those of earlier versions.
ALTER TABLE fcst_app.batch_status ADD COLUMN is_summed boolean NOT NULL DEFAULT false;
