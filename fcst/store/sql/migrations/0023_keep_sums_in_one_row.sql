-- Store the forecast totals in one narrow row per item and model, for sorting, filtering and summing the items of a
-- run. Derived from the other tables; replaces the totals in them.

-- Units over the horizon: of the forecast, of the final plan, sold in as many weeks before, and in the same weeks of
-- the last known year (52 weeks). last_year is NULL if one of its weeks is missing; known_last_year sums the known
-- ones. By level, down and up are the distances of the bounds from the forecast, summed over the weeks. Errors are the
-- sums of the model's rows in metrics. reasons: attention reasons, NULL if not computed by an earlier version;
-- at_stake: units by which the plan may be wrong for these reasons. Other numbers are NULL if unknown. Like the other
-- item tables, it has no foreign key.
ALTER TABLE fcst_app.forecast_sums RENAME TO sums_before;
ALTER INDEX fcst_app.forecast_sums_pkey RENAME TO sums_before_pkey;
CREATE TABLE fcst_app.forecast_sums (
    job_id          integer NOT NULL,
    model           text NOT NULL,
    unique_id       text COLLATE "C" NOT NULL,
    sales_rank      integer NOT NULL,
    forecast        double precision NOT NULL,
    final           double precision NOT NULL,
    sold            double precision,
    last_year       double precision,
    known_last_year double precision,
    down            double precision[] NOT NULL,
    up              double precision[] NOT NULL,
    abs_error       double precision,
    error           double precision,
    actual          double precision,
    reasons         text[],
    at_stake        double precision,
    PRIMARY KEY (job_id, model, unique_id),
    CHECK ((reasons IS NULL) = (at_stake IS NULL))
);

-- for each row of: SELECT job_id, min(batch_id) AS first, max(batch_id) AS last FROM fcst_app.batch_status GROUP BY job_id, batch_no / 10 ORDER BY 1, 2
INSERT INTO fcst_app.forecast_sums (job_id, model, unique_id, sales_rank, forecast, final, sold, last_year,
                                    known_last_year, down, up, abs_error, error, actual, reasons, at_stake)
SELECT b.job_id, b.model, b.unique_id, i.sales_rank, b.forecast, COALESCE(a.total, b.forecast), b.sold, t.last_year,
       COALESCE(b.last_year, t.last_year), b.down, b.up, b.abs_error, b.error, b.actual, t.reasons, t.at_stake
FROM fcst_app.job_items i
JOIN fcst_app.sums_before b ON b.job_id = i.job_id AND b.unique_id = i.unique_id
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = b.job_id AND a.model = b.model AND a.unique_id = b.unique_id
LEFT JOIN fcst_app.attention t ON t.job_id = b.job_id AND t.model = b.model AND t.unique_id = b.unique_id
WHERE i.batch_id BETWEEN %(first)s AND %(last)s AND i.job_id = %(job_id)s AND i.outcome = 'completed';
-- for all

CREATE INDEX forecast_sums_unfound ON fcst_app.forecast_sums (job_id) WHERE reasons IS NULL;
DROP TABLE fcst_app.sums_before, fcst_app.attention;
ALTER TABLE fcst_app.adjusted_forecasts DROP COLUMN total;
DROP INDEX fcst_app.forecasts_model;
ALTER TABLE fcst_app.forecasts
    DROP COLUMN total, DROP COLUMN sold, DROP COLUMN abs_error, DROP COLUMN error, DROP COLUMN actual;
