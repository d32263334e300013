-- An adjustment changes the plan of one or many items: its own row has the request, and one row per item has the
-- changes by week. The resulting plan of a run is stored in one row per series. Items have attention reasons.

-- made_no and undone_no number all changes of plans; a cached plan of a run is valid until the largest of them changes.
-- carried_from is the adjustment of an earlier run that this one copies. If units and percent are both NULL, weeks and
-- items have individual values. scope describes the selected items.
CREATE SEQUENCE fcst_app.plan_changes;
ALTER TABLE fcst_app.adjustments
    ADD COLUMN made_no bigint NOT NULL DEFAULT nextval('fcst_app.plan_changes'),
    ADD COLUMN undone_no bigint,
    ADD COLUMN scope text,
    ADD COLUMN n_items integer NOT NULL DEFAULT 1 CHECK (n_items > 0),
    ADD COLUMN carried_from bigint;
UPDATE fcst_app.adjustments SET undone_no = nextval('fcst_app.plan_changes') WHERE undone_at IS NOT NULL;
UPDATE fcst_app.adjustments SET scope = 'item ' || unique_id;
ALTER SEQUENCE fcst_app.plan_changes OWNED BY fcst_app.adjustments.made_no;

-- units[n] or factors[n] apply to the n-th week of the adjustment: the first sets the units of the week, the second
-- multiplies its current value. NULL leaves the week unchanged.
CREATE TABLE fcst_app.adjustment_items (
    adjustment_id bigint NOT NULL REFERENCES fcst_app.adjustments ON DELETE CASCADE,
    unique_id     text COLLATE "C" NOT NULL,
    units         double precision[],
    factors       double precision[],
    PRIMARY KEY (adjustment_id, unique_id),
    CHECK (num_nonnulls(units, factors) > 0),
    CHECK ((0 <= ALL (units) AND 'infinity' > ALL (units)) IS NOT FALSE),
    CHECK ((0 <= ALL (factors) AND 'infinity' > ALL (factors)) IS NOT FALSE)
);
CREATE INDEX adjustment_items_item ON fcst_app.adjustment_items (unique_id, adjustment_id);
INSERT INTO fcst_app.adjustment_items (adjustment_id, unique_id, units, factors)
SELECT adjustment_id, unique_id,
       CASE WHEN units IS NOT NULL THEN array_fill(units, ARRAY[(last_wk_end_dt - first_wk_end_dt) / 7 + 1]) END,
       CASE WHEN percent IS NOT NULL
            THEN array_fill(1 + percent / 100, ARRAY[(last_wk_end_dt - first_wk_end_dt) / 7 + 1]) END
FROM fcst_app.adjustments;

DROP INDEX fcst_app.adjustments_item;
ALTER TABLE fcst_app.adjustments
    DROP CONSTRAINT adjustments_check1,
    ADD CHECK (num_nonnulls(units, percent) < 2),
    ADD CHECK ((undone_by IS NULL) = (undone_no IS NULL)),
    ALTER COLUMN scope SET NOT NULL,
    DROP COLUMN unique_id;
CREATE INDEX adjustments_run ON fcst_app.adjustments (job_id, model);

-- The product of several factors.
CREATE AGGREGATE fcst_app.product (double precision) (SFUNC = float8mul, STYPE = double precision, INITCOND = '1');

-- The result of the active adjustments: adjusted[step] is NULL in weeks that none of them changes; total is that of the
-- final plan over the horizon.
ALTER TABLE fcst_app.adjusted_forecasts RENAME TO adjusted_before;
ALTER INDEX fcst_app.adjusted_forecasts_pkey RENAME TO adjusted_before_pkey;
CREATE TABLE fcst_app.adjusted_forecasts (
    job_id    integer NOT NULL REFERENCES fcst_app.jobs ON DELETE CASCADE,
    unique_id text COLLATE "C" NOT NULL,
    model     text NOT NULL,
    adjusted  double precision[] NOT NULL,
    total     double precision NOT NULL,
    PRIMARY KEY (job_id, model, unique_id),
    CHECK ((0 <= ALL (adjusted) AND 'infinity' > ALL (adjusted)) IS NOT FALSE)
);
INSERT INTO fcst_app.adjusted_forecasts (job_id, unique_id, model, adjusted, total)
SELECT f.job_id, f.unique_id, f.model, array_agg(a.adjusted ORDER BY s.step),
       sum(COALESCE(a.adjusted, f.forecast[s.step]))
FROM (SELECT DISTINCT job_id, unique_id, model FROM fcst_app.adjusted_before) k
JOIN fcst_app.forecasts f USING (job_id, unique_id, model)
CROSS JOIN LATERAL generate_subscripts(f.forecast, 1) s (step)
LEFT JOIN fcst_app.adjusted_before a ON a.job_id = f.job_id AND a.unique_id = f.unique_id AND a.model = f.model
    AND a.wk_end_dt = f.first_wk_end_dt + 7 * (s.step - 1)
GROUP BY f.job_id, f.unique_id, f.model;
DROP TABLE fcst_app.adjusted_before;

-- One row per run, item, model and week. bounds ->> 'lo_80' is the lower bound of the level of 80 percent; final is the
-- plan: the forecast with adjustments.
DROP VIEW fcst_app.forecast_weeks;
CREATE VIEW fcst_app.forecast_weeks AS
SELECT f.job_id, f.unique_id, f.model, s.step, f.first_wk_end_dt + 7 * (s.step - 1) AS wk_end_dt,
       f.forecast[s.step] AS forecast,
       (SELECT COALESCE(jsonb_object_agg(b.side || '_' || l.level, b.bound), '{}')
        FROM jsonb_array_elements_text(j.spec -> 'level') WITH ORDINALITY l (level, i)
        CROSS JOIN LATERAL (VALUES ('lo', f.lo[l.i::integer][s.step]), ('hi', f.hi[l.i::integer][s.step])) b (side, bound)
       ) AS bounds,
       f.is_fallback, f.made_by, COALESCE(a.adjusted[s.step], f.forecast[s.step]) AS final
FROM fcst_app.forecasts f
JOIN fcst_app.jobs j USING (job_id)
LEFT JOIN fcst_app.adjusted_forecasts a USING (job_id, model, unique_id)
CROSS JOIN LATERAL generate_subscripts(f.forecast, 1) s (step);

-- Earlier runs on datasets of the same name that had completed items at submission, newest first: the plan starts with
-- their adjustments, and their forecasts are compared with later actuals.
ALTER TABLE fcst_app.jobs ADD COLUMN earlier_job_ids integer[] NOT NULL DEFAULT '{}';

-- Findings in an item's history. level_shift: units per week by which the level of the last weeks differs from the one
-- before; recent_stockouts: weeks of the last quarter that look like stock-outs; capped_units: units of unusually high
-- weeks of the last year that were capped before fitting. NULL: none, or completed by an earlier version.
ALTER TABLE fcst_app.job_items
    ADD COLUMN level_shift double precision,
    ADD COLUMN recent_stockouts integer,
    ADD COLUMN capped_units double precision;

-- Sort and filter columns of the worklist, for each item of a run and each model. Derived from the other tables.
-- last_year: units of the same weeks a year before, NULL if one of them is unknown. final: units of the final plan.
-- reasons: attention reasons; at_stake: units of the next weeks by which the plan may be wrong for these reasons.
CREATE TABLE fcst_app.attention (
    job_id    integer NOT NULL,
    model     text NOT NULL,
    unique_id text COLLATE "C" NOT NULL,
    last_year double precision,
    final     double precision,
    reasons   text[] NOT NULL,
    at_stake  double precision NOT NULL,
    PRIMARY KEY (job_id, model, unique_id)
);

-- Reviewed items, with their attention reasons and final plan at the time of the review.
CREATE TABLE fcst_app.reviews (
    job_id      integer NOT NULL REFERENCES fcst_app.jobs ON DELETE CASCADE,
    unique_id   text COLLATE "C" NOT NULL,
    model       text NOT NULL,
    reviewed_by text NOT NULL CHECK (reviewed_by <> ''),
    reviewed_at timestamptz NOT NULL DEFAULT now(),
    reasons     text[] NOT NULL,
    final       double precision,
    PRIMARY KEY (job_id, model, unique_id)
);

-- Attention thresholds set for a dataset's name, by threshold name; the others have their defaults.
CREATE TABLE fcst_app.attention_thresholds (
    dataset    text PRIMARY KEY,
    thresholds jsonb NOT NULL,
    set_by     text NOT NULL CHECK (set_by <> ''),
    set_at     timestamptz NOT NULL DEFAULT now()
);

-- Lower limits in units sold, or in value if prices are known, of the items that make up the first 80 percent and the
-- first 95 percent of the total; NULL until computed.
ALTER TABLE fcst_app.datasets
    ADD COLUMN abc_a double precision,
    ADD COLUMN abc_b double precision,
    ADD COLUMN abc_by_value boolean NOT NULL DEFAULT false;

-- Removed: the change to the weeks before a forecast, which seasonality exaggerates. The plan is compared with last
-- year instead.
DROP INDEX fcst_app.forecasts_model;
ALTER TABLE fcst_app.forecasts DROP COLUMN change;
CREATE INDEX forecasts_model ON fcst_app.forecasts (job_id, model, unique_id)
    INCLUDE (total, sold, abs_error, error, actual, is_fallback);
