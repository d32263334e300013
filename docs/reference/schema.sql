-- The schema fcst_app, as the migrations in fcst/store/sql/migrations make it.
-- Written by tests/store/schema.py; a test keeps it equal to them.


CREATE SCHEMA fcst_app;

CREATE FUNCTION fcst_app.record_batch_event() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO fcst_app.batch_events (job_id, batch_id, from_stage, to_stage, attempt, worker_id, reason)
    VALUES (NEW.job_id, NEW.batch_id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.stage END, NEW.stage, NEW.attempt,
            NEW.worker_id, NEW.error);
    RETURN NULL;
END $$;

CREATE AGGREGATE fcst_app.product(double precision) (
    SFUNC = float8mul,
    STYPE = double precision,
    INITCOND = '1'
);

CREATE TABLE fcst_app.accuracy_sums (
    job_id integer NOT NULL,
    batch_id bigint NOT NULL,
    grouped_by text NOT NULL,
    key text COLLATE pg_catalog."C",
    model text NOT NULL,
    n_items bigint,
    n_fallback bigint,
    n_windows bigint,
    n_weeks bigint,
    n_unsold bigint,
    n_unscaled bigint,
    actual double precision,
    abs_error double precision,
    error double precision,
    pinball double precision,
    pinball_actual double precision,
    smape double precision,
    n_smape bigint,
    mase double precision,
    n_mase bigint,
    rmsse double precision,
    n_rmsse bigint,
    seasonal_naive double precision,
    beside_seasonal_naive double precision,
    naive double precision,
    beside_naive double precision,
    level_weeks double precision[],
    covered double precision[],
    width double precision[],
    msis double precision[],
    n_msis double precision[],
    CONSTRAINT accuracy_sums_grouped_by_check CHECK ((grouped_by = ANY (ARRAY['model'::text, 'family'::text, 'demand_class'::text, 'window'::text, 'horizon'::text])))
);

CREATE TABLE fcst_app.actions (
    action_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    noun text NOT NULL,
    number bigint NOT NULL,
    words text DEFAULT ''::text NOT NULL,
    CONSTRAINT actions_who_check CHECK ((who <> ''::text))
);

ALTER TABLE fcst_app.actions ALTER COLUMN action_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.actions_action_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.adjusted_forecasts (
    job_id integer CONSTRAINT adjusted_forecasts_job_id_not_null1 NOT NULL,
    unique_id text CONSTRAINT adjusted_forecasts_unique_id_not_null1 NOT NULL COLLATE pg_catalog."C",
    model text CONSTRAINT adjusted_forecasts_model_not_null1 NOT NULL,
    adjusted double precision[] CONSTRAINT adjusted_forecasts_adjusted_not_null1 NOT NULL,
    CONSTRAINT adjusted_forecasts_adjusted_check1 CHECK (((((0)::double precision <= ALL (adjusted)) AND ('Infinity'::double precision > ALL (adjusted))) IS NOT FALSE))
);

CREATE TABLE fcst_app.adjustment_items (
    adjustment_id bigint NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    units double precision[],
    factors double precision[],
    CONSTRAINT adjustment_items_check CHECK ((num_nonnulls(units, factors) > 0)),
    CONSTRAINT adjustment_items_factors_check CHECK (((((0)::double precision <= ALL (factors)) AND ('Infinity'::double precision > ALL (factors))) IS NOT FALSE)),
    CONSTRAINT adjustment_items_units_check CHECK (((((0)::double precision <= ALL (units)) AND ('Infinity'::double precision > ALL (units))) IS NOT FALSE))
);

CREATE TABLE fcst_app.adjustments (
    adjustment_id bigint NOT NULL,
    job_id integer NOT NULL,
    model text NOT NULL,
    first_wk_end_dt date NOT NULL,
    last_wk_end_dt date NOT NULL,
    units double precision,
    percent double precision,
    reason text NOT NULL,
    made_by text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    undone_by text,
    undone_at timestamp with time zone,
    made_no bigint NOT NULL,
    undone_no bigint,
    scope text NOT NULL,
    n_items integer DEFAULT 1 NOT NULL,
    carried_from bigint,
    CONSTRAINT adjustments_check CHECK ((first_wk_end_dt <= last_wk_end_dt)),
    CONSTRAINT adjustments_check1 CHECK ((num_nonnulls(units, percent) < 2)),
    CONSTRAINT adjustments_check2 CHECK (((undone_by IS NULL) = (undone_at IS NULL))),
    CONSTRAINT adjustments_check3 CHECK (((undone_by IS NULL) = (undone_no IS NULL))),
    CONSTRAINT adjustments_made_by_check CHECK ((made_by <> ''::text)),
    CONSTRAINT adjustments_n_items_check CHECK ((n_items > 0)),
    CONSTRAINT adjustments_percent_check CHECK (((percent >= ('-100'::integer)::double precision) AND (percent < 'Infinity'::double precision))),
    CONSTRAINT adjustments_reason_check CHECK ((reason <> ''::text)),
    CONSTRAINT adjustments_undone_by_check CHECK ((undone_by <> ''::text)),
    CONSTRAINT adjustments_units_check CHECK (((units >= (0)::double precision) AND (units < 'Infinity'::double precision)))
);

ALTER TABLE fcst_app.adjustments ALTER COLUMN adjustment_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME fcst_app.adjustments_adjustment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.attention_thresholds (
    dataset text NOT NULL,
    thresholds jsonb NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT attention_thresholds_set_by_check CHECK ((set_by <> ''::text))
);

CREATE TABLE fcst_app.attribute_values (
    dataset_id integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    key text[] NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL
);

CREATE TABLE fcst_app.backtests (
    job_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL,
    cutoff date NOT NULL,
    y double precision[] NOT NULL,
    forecast double precision[] NOT NULL,
    lo double precision[] NOT NULL,
    hi double precision[] NOT NULL
);

CREATE TABLE fcst_app.jobs (
    job_id integer NOT NULL,
    dataset_id integer NOT NULL,
    name text NOT NULL,
    note text NOT NULL,
    spec jsonb NOT NULL,
    n_items integer NOT NULL,
    n_batches integer NOT NULL,
    status text,
    submitted_at timestamp with time zone DEFAULT now() NOT NULL,
    resumed_at timestamp with time zone DEFAULT now() NOT NULL,
    n_done_before integer DEFAULT 0 NOT NULL,
    cancel_requested_at timestamp with time zone,
    finished_at timestamp with time zone,
    earlier_job_ids integer[] DEFAULT '{}'::integer[] NOT NULL,
    CONSTRAINT jobs_check CHECK (((status IS NULL) = (finished_at IS NULL))),
    CONSTRAINT jobs_n_batches_check CHECK ((n_batches > 0)),
    CONSTRAINT jobs_n_items_check CHECK ((n_items > 0)),
    CONSTRAINT jobs_status_check CHECK ((status = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text])))
);

CREATE VIEW fcst_app.backtest_weeks AS
 SELECT b.job_id,
    b.unique_id,
    b.model,
    b.cutoff,
    s.step,
    (b.cutoff + (7 * s.step)) AS wk_end_dt,
    b.y[s.step] AS y,
    b.forecast[s.step] AS forecast,
    ( SELECT COALESCE(jsonb_object_agg(((x.side || '_'::text) || l.level), x.bound), '{}'::jsonb) AS "coalesce"
           FROM (jsonb_array_elements_text((j.spec -> 'level'::text)) WITH ORDINALITY l(level, i)
             CROSS JOIN LATERAL ( VALUES ('lo'::text,b.lo[(l.i)::integer][s.step]), ('hi'::text,b.hi[(l.i)::integer][s.step])) x(side, bound))) AS bounds,
    (b.forecast[s.step] - b.y[s.step]) AS error
   FROM ((fcst_app.backtests b
     JOIN fcst_app.jobs j USING (job_id))
     CROSS JOIN LATERAL generate_subscripts(b.y, 1) s(step));

CREATE TABLE fcst_app.batch_events (
    event_id bigint NOT NULL,
    batch_id bigint NOT NULL,
    from_stage text,
    to_stage text NOT NULL,
    attempt integer NOT NULL,
    worker_id uuid,
    reason text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    job_id integer NOT NULL
);

ALTER TABLE fcst_app.batch_events ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.batch_events_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.batch_status (
    batch_id bigint NOT NULL,
    job_id integer NOT NULL,
    batch_no integer NOT NULL,
    stage text DEFAULT 'submitted'::text NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    worker_id uuid,
    run_token uuid,
    n_items integer NOT NULL,
    n_completed integer DEFAULT 0 NOT NULL,
    n_failed integer DEFAULT 0 NOT NULL,
    n_cancelled integer DEFAULT 0 NOT NULL,
    submitted_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    error text,
    touched_at timestamp with time zone,
    current_item text COLLATE pg_catalog."C",
    current_model text,
    is_summed boolean DEFAULT false NOT NULL,
    is_learning boolean DEFAULT false NOT NULL,
    worked_s double precision DEFAULT 0 NOT NULL,
    CONSTRAINT batch_status_check CHECK (((finished_at IS NOT NULL) = (stage = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text])))),
    CONSTRAINT batch_status_check1 CHECK ((((n_completed + n_failed) + n_cancelled) <= n_items)),
    CONSTRAINT batch_status_check2 CHECK (((finished_at IS NULL) OR (((n_completed + n_failed) + n_cancelled) = n_items))),
    CONSTRAINT batch_status_check3 CHECK (((n_items > 0) OR is_learning)),
    CONSTRAINT batch_status_current_item_check CHECK (((current_item IS NULL) OR (stage = 'processing'::text))),
    CONSTRAINT batch_status_stage_check CHECK ((stage = ANY (ARRAY['submitted'::text, 'learning'::text, 'obtaining_sales'::text, 'processing'::text, 'saving'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])))
);

ALTER TABLE fcst_app.batch_status ALTER COLUMN batch_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.batch_status_batch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.data_sources (
    dataset text NOT NULL,
    source jsonb NOT NULL,
    spec jsonb NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT data_sources_dataset_check CHECK ((dataset <> ''::text)),
    CONSTRAINT data_sources_set_by_check CHECK ((set_by <> ''::text))
);

CREATE TABLE fcst_app.datasets (
    dataset_id integer NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    spec jsonb NOT NULL,
    report jsonb NOT NULL,
    week_end text NOT NULL,
    include_promo boolean NOT NULL,
    n_items integer NOT NULL,
    n_weeks integer NOT NULL,
    first_wk_end_dt date NOT NULL,
    last_wk_end_dt date NOT NULL,
    total_units double precision NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    lifecycle bigint DEFAULT 0 NOT NULL,
    abc_a double precision,
    abc_b double precision,
    abc_by_value boolean DEFAULT false NOT NULL,
    attribute_change integer DEFAULT 0 NOT NULL,
    CONSTRAINT datasets_n_items_check CHECK ((n_items > 0)),
    CONSTRAINT datasets_n_weeks_check CHECK ((n_weeks > 0))
);

ALTER TABLE fcst_app.datasets ALTER COLUMN dataset_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME fcst_app.datasets_dataset_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.driver_loads (
    driver_load_id integer NOT NULL,
    dataset_id integer NOT NULL,
    source text NOT NULL,
    is_own boolean NOT NULL,
    grouped_by text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    columns jsonb NOT NULL,
    report jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    key_columns text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT driver_loads_check CHECK ((first_day <= last_day)),
    CONSTRAINT driver_loads_check1 CHECK (((grouped_by = 'part'::text) = (key_columns <> '{}'::text[]))),
    CONSTRAINT driver_loads_grouped_by_check CHECK ((grouped_by = ANY (ARRAY['item'::text, 'part'::text, 'family'::text, 'class'::text, 'all'::text])))
);

CREATE SEQUENCE fcst_app.driver_loads_driver_load_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE fcst_app.driver_loads_driver_load_id_seq OWNED BY fcst_app.driver_loads.driver_load_id;

CREATE TABLE fcst_app.driver_values (
    driver_load_id integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    first_wk_end_dt date NOT NULL,
    "values" double precision[] NOT NULL
);

CREATE TABLE fcst_app.forecast_sums (
    job_id integer CONSTRAINT forecast_sums_job_id_not_null1 NOT NULL,
    model text CONSTRAINT forecast_sums_model_not_null1 NOT NULL,
    unique_id text CONSTRAINT forecast_sums_unique_id_not_null1 NOT NULL COLLATE pg_catalog."C",
    sales_rank integer NOT NULL,
    forecast double precision CONSTRAINT forecast_sums_forecast_not_null1 NOT NULL,
    final double precision NOT NULL,
    sold double precision,
    last_year double precision,
    known_last_year double precision,
    down double precision[] CONSTRAINT forecast_sums_down_not_null1 NOT NULL,
    up double precision[] CONSTRAINT forecast_sums_up_not_null1 NOT NULL,
    abs_error double precision,
    error double precision,
    actual double precision,
    reasons text[],
    at_stake double precision,
    CONSTRAINT forecast_sums_check CHECK (((reasons IS NULL) = (at_stake IS NULL)))
);

CREATE TABLE fcst_app.forecasts (
    job_id integer CONSTRAINT forecasts_job_id_not_null1 NOT NULL,
    unique_id text CONSTRAINT forecasts_unique_id_not_null1 NOT NULL COLLATE pg_catalog."C",
    model text CONSTRAINT forecasts_model_not_null1 NOT NULL,
    first_wk_end_dt date NOT NULL,
    forecast double precision[] CONSTRAINT forecasts_forecast_not_null1 NOT NULL,
    lo double precision[] CONSTRAINT forecasts_lo_not_null1 NOT NULL,
    hi double precision[] CONSTRAINT forecasts_hi_not_null1 NOT NULL,
    is_fallback boolean CONSTRAINT forecasts_is_fallback_not_null1 NOT NULL,
    made_by text CONSTRAINT forecasts_made_by_not_null1 NOT NULL,
    heaviest text NOT NULL,
    baseline double precision[],
    uplift double precision[],
    CONSTRAINT forecasts_forecast_check1 CHECK (((((0)::double precision <= ALL (forecast)) AND ('Infinity'::double precision > ALL (forecast))) IS TRUE))
);

CREATE VIEW fcst_app.forecast_weeks AS
 SELECT f.job_id,
    f.unique_id,
    f.model,
    s.step,
    (f.first_wk_end_dt + (7 * (s.step - 1))) AS wk_end_dt,
    f.forecast[s.step] AS forecast,
    ( SELECT COALESCE(jsonb_object_agg(((b.side || '_'::text) || l.level), b.bound), '{}'::jsonb) AS "coalesce"
           FROM (jsonb_array_elements_text((j.spec -> 'level'::text)) WITH ORDINALITY l(level, i)
             CROSS JOIN LATERAL ( VALUES ('lo'::text,f.lo[(l.i)::integer][s.step]), ('hi'::text,f.hi[(l.i)::integer][s.step])) b(side, bound))) AS bounds,
    f.is_fallback,
    f.made_by,
    COALESCE(a.adjusted[s.step], f.forecast[s.step]) AS final
   FROM (((fcst_app.forecasts f
     JOIN fcst_app.jobs j USING (job_id))
     LEFT JOIN fcst_app.adjusted_forecasts a USING (job_id, model, unique_id))
     CROSS JOIN LATERAL generate_subscripts(f.forecast, 1) s(step));

CREATE TABLE fcst_app.idempotency_keys (
    who text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    job_id integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE fcst_app.ingests (
    ingest_id integer NOT NULL,
    spec jsonb NOT NULL,
    status text DEFAULT 'submitted'::text NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    worker_id uuid,
    run_token uuid,
    progress text,
    error text,
    hint text,
    dataset_id integer,
    submitted_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    done_bytes bigint DEFAULT 0 NOT NULL,
    total_bytes bigint DEFAULT 0 NOT NULL,
    cancel_requested_at timestamp with time zone,
    report jsonb,
    phase_s double precision DEFAULT 0 NOT NULL,
    CONSTRAINT ingests_finished_check CHECK (((finished_at IS NOT NULL) = (status = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text])))),
    CONSTRAINT ingests_status_check CHECK ((status = ANY (ARRAY['submitted'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])))
);

ALTER TABLE fcst_app.ingests ALTER COLUMN ingest_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.ingests_ingest_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.items (
    dataset_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    sales_rank integer NOT NULL,
    total_units double precision NOT NULL,
    first_wk_end_dt date NOT NULL,
    last_sale_dt date,
    n_weeks integer NOT NULL,
    n_missing integer NOT NULL,
    family text,
    class text,
    is_perishable boolean,
    description text,
    demand_class text,
    adi double precision,
    cv2 double precision,
    search_text text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    price double precision,
    is_added boolean DEFAULT false NOT NULL,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT items_attributes_check CHECK ((jsonb_typeof(attributes) = 'object'::text))
);

CREATE TABLE fcst_app.job_items (
    job_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    batch_id bigint NOT NULL,
    sales_rank integer NOT NULL,
    outcome text DEFAULT 'pending'::text NOT NULL,
    reason text,
    attempt integer,
    finished_at timestamp with time zone,
    provenance jsonb,
    out_of_stock_weeks integer,
    lost_units double precision,
    suspected_weeks integer,
    level_shift double precision,
    recent_stockouts integer,
    capped_units double precision,
    CONSTRAINT job_items_check CHECK (((finished_at IS NOT NULL) = (outcome <> 'pending'::text))),
    CONSTRAINT job_items_check1 CHECK (((outcome <> 'failed'::text) OR (reason IS NOT NULL))),
    CONSTRAINT job_items_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])))
);

ALTER TABLE fcst_app.jobs ALTER COLUMN job_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.jobs_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.known_attributes (
    dataset_id integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    place integer NOT NULL,
    source text NOT NULL,
    keyed_by text[] NOT NULL COLLATE pg_catalog."C",
    is_own boolean NOT NULL,
    n_items integer NOT NULL,
    n_values integer NOT NULL,
    "values" text[] NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT ''::text NOT NULL
);

CREATE TABLE fcst_app.learned (
    job_id integer NOT NULL,
    weeks_ago integer NOT NULL,
    summary jsonb NOT NULL,
    content bytea NOT NULL
);

CREATE SEQUENCE fcst_app.lifecycle_changes
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE fcst_app.lifecycle_changes OWNED BY fcst_app.datasets.lifecycle;

CREATE TABLE fcst_app.lifecycles (
    dataset_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    since bigint NOT NULL,
    until bigint,
    origin text,
    sources text[] NOT NULL COLLATE pg_catalog."C",
    factors double precision[] NOT NULL,
    launch date,
    last_day date,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT lifecycles_check CHECK ((cardinality(sources) = cardinality(factors))),
    CONSTRAINT lifecycles_check1 CHECK (((origin IS NULL) = (cardinality(sources) = 0))),
    CONSTRAINT lifecycles_check2 CHECK ((launch <= last_day)),
    CONSTRAINT lifecycles_factors_check CHECK (((((0)::double precision < ALL (factors)) AND ('Infinity'::double precision > ALL (factors))) IS TRUE)),
    CONSTRAINT lifecycles_origin_check CHECK ((origin = ANY (ARRAY['predecessor'::text, 'like'::text])))
);

CREATE TABLE fcst_app.workers (
    worker_id uuid NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    processes integer NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_expires_at timestamp with time zone NOT NULL,
    stopped_at timestamp with time zone,
    problem text DEFAULT ''::text NOT NULL,
    lease_s double precision DEFAULT 20 NOT NULL,
    process_start bigint
);

CREATE VIEW fcst_app.live_workers AS
 SELECT worker_id,
    host,
    pid,
    process_start,
    processes,
    problem,
    started_at
   FROM fcst_app.workers
  WHERE ((stopped_at IS NULL) AND (lease_expires_at > now()) AND (lease_expires_at <= (now() + make_interval(secs => ((2)::double precision * lease_s)))));

CREATE TABLE fcst_app.metrics (
    job_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL,
    cutoff date NOT NULL,
    n_weeks integer NOT NULL,
    wape double precision,
    bias double precision,
    abs_error double precision NOT NULL,
    error double precision NOT NULL,
    actual double precision NOT NULL,
    is_fallback boolean NOT NULL,
    made_by text NOT NULL,
    sq_error double precision,
    pinball double precision,
    smape double precision,
    mase double precision,
    rmsse double precision,
    scaled_crps double precision,
    coverage double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    mean_width double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    msis double precision[] DEFAULT '{}'::double precision[] NOT NULL
);

CREATE TABLE fcst_app.migrations (
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE fcst_app.notifications (
    notification_id bigint NOT NULL,
    job_id integer NOT NULL,
    ended_at timestamp with time zone DEFAULT now() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    error text,
    delivered_at timestamp with time zone,
    gave_up_at timestamp with time zone,
    data jsonb NOT NULL
);

ALTER TABLE fcst_app.notifications ALTER COLUMN notification_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.notifications_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE fcst_app.plan_changes
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE fcst_app.plan_changes OWNED BY fcst_app.adjustments.made_no;

CREATE TABLE fcst_app.published_items (
    plan_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    forecast double precision[] NOT NULL,
    final double precision[] NOT NULL
);

CREATE TABLE fcst_app.published_plans (
    plan_id integer NOT NULL,
    dataset text NOT NULL,
    job_id integer,
    run_no integer NOT NULL,
    model text NOT NULL,
    first_wk_end_dt date NOT NULL,
    h integer NOT NULL,
    n_items integer NOT NULL,
    forecast double precision NOT NULL,
    final double precision NOT NULL,
    published_by text NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT published_plans_dataset_check CHECK ((dataset <> ''::text)),
    CONSTRAINT published_plans_h_check CHECK ((h > 0)),
    CONSTRAINT published_plans_n_items_check CHECK ((n_items > 0)),
    CONSTRAINT published_plans_published_by_check CHECK ((published_by <> ''::text))
);

ALTER TABLE fcst_app.published_plans ALTER COLUMN plan_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME fcst_app.published_plans_plan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW fcst_app.published_weeks AS
 SELECT p.plan_id,
    p.dataset,
    i.unique_id,
    s.step,
    (p.first_wk_end_dt + (7 * (s.step - 1))) AS wk_end_dt,
    i.forecast[s.step] AS forecast,
    i.final[s.step] AS final
   FROM ((fcst_app.published_plans p
     JOIN fcst_app.published_items i USING (plan_id))
     CROSS JOIN LATERAL generate_subscripts(i.forecast, 1) s(step));

CREATE TABLE fcst_app.reviews (
    job_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL,
    reviewed_by text NOT NULL,
    reviewed_at timestamp with time zone DEFAULT now() NOT NULL,
    reasons text[] NOT NULL,
    final double precision,
    CONSTRAINT reviews_reviewed_by_check CHECK ((reviewed_by <> ''::text))
);

CREATE TABLE fcst_app.sales (
    dataset_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    first_wk_end_dt date NOT NULL,
    unit_sales double precision[] NOT NULL,
    promo_units double precision[],
    CONSTRAINT sales_check CHECK ((cardinality(promo_units) = cardinality(unit_sales)))
);

CREATE TABLE fcst_app.sales_totals (
    dataset_id integer NOT NULL,
    grouped_by text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    first_wk_end_dt date NOT NULL,
    unit_sales double precision[] NOT NULL,
    promo_units double precision[] NOT NULL,
    n_items integer[] NOT NULL,
    CONSTRAINT sales_totals_grouped_by_check CHECK ((grouped_by = ANY (ARRAY['all'::text, 'family'::text, 'class'::text])))
);

CREATE TABLE fcst_app.scenario_changes (
    change_id bigint NOT NULL,
    scenario_id integer NOT NULL,
    driver text NOT NULL,
    first_wk_end_dt date NOT NULL,
    last_wk_end_dt date NOT NULL,
    how text NOT NULL,
    value double precision NOT NULL,
    scope text NOT NULL,
    unique_ids text[] NOT NULL COLLATE pg_catalog."C",
    made_by text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT scenario_changes_check CHECK ((last_wk_end_dt >= first_wk_end_dt)),
    CONSTRAINT scenario_changes_how_check CHECK ((how = ANY (ARRAY['to'::text, 'percent'::text]))),
    CONSTRAINT scenario_changes_made_by_check CHECK ((made_by <> ''::text)),
    CONSTRAINT scenario_changes_unique_ids_check CHECK ((cardinality(unique_ids) > 0)),
    CONSTRAINT scenario_changes_value_check CHECK ((abs(value) < 'Infinity'::double precision))
);

ALTER TABLE fcst_app.scenario_changes ALTER COLUMN change_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.scenario_changes_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.scenario_items (
    scenario_id integer NOT NULL,
    unique_id text NOT NULL COLLATE pg_catalog."C",
    uplift double precision[] NOT NULL,
    factors double precision[] NOT NULL,
    CONSTRAINT scenario_items_factors_check CHECK (((((0)::double precision <= ALL (factors)) AND ('Infinity'::double precision > ALL (factors))) IS NOT FALSE)),
    CONSTRAINT scenario_items_uplift_check CHECK (((((0)::double precision <= ALL (uplift)) AND ('Infinity'::double precision > ALL (uplift))) IS NOT FALSE))
);

CREATE TABLE fcst_app.scenarios (
    scenario_id integer NOT NULL,
    job_id integer NOT NULL,
    name text NOT NULL,
    made_by text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    CONSTRAINT scenarios_made_by_check CHECK ((made_by <> ''::text)),
    CONSTRAINT scenarios_name_check CHECK ((name <> ''::text))
);

ALTER TABLE fcst_app.scenarios ALTER COLUMN scenario_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.scenarios_scenario_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.sign_outs (
    sign_out_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    sign_in bytea,
    person text,
    CONSTRAINT sign_outs_check CHECK ((num_nonnulls(sign_in, person) = 1))
);

ALTER TABLE fcst_app.sign_outs ALTER COLUMN sign_out_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.sign_outs_sign_out_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE fcst_app.stock_settings (
    name text NOT NULL COLLATE pg_catalog."C",
    grouped_by text NOT NULL,
    key_columns text[] DEFAULT '{}'::text[] NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    lead_time_days double precision,
    review_period_days double precision,
    service_level double precision,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_by text NOT NULL,
    CONSTRAINT stock_settings_check CHECK (((grouped_by = 'part'::text) = (key_columns <> '{}'::text[]))),
    CONSTRAINT stock_settings_check1 CHECK (((grouped_by = 'all'::text) = (key = ''::text))),
    CONSTRAINT stock_settings_check2 CHECK ((num_nonnulls(lead_time_days, review_period_days, service_level) > 0)),
    CONSTRAINT stock_settings_grouped_by_check CHECK ((grouped_by = ANY (ARRAY['item'::text, 'part'::text, 'family'::text, 'class'::text, 'all'::text]))),
    CONSTRAINT stock_settings_lead_time_days_check CHECK (((lead_time_days >= (0)::double precision) AND (lead_time_days < 'Infinity'::double precision))),
    CONSTRAINT stock_settings_review_period_days_check CHECK (((review_period_days >= (0)::double precision) AND (review_period_days < 'Infinity'::double precision))),
    CONSTRAINT stock_settings_service_level_check CHECK (((service_level > (0)::double precision) AND (service_level < (1)::double precision)))
);

CREATE TABLE fcst_app.tokens (
    token_id integer NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT tokens_name_check CHECK ((name <> ''::text)),
    CONSTRAINT tokens_scope_check CHECK ((scope = ANY (ARRAY['read'::text, 'run'::text, 'admin'::text])))
);

ALTER TABLE fcst_app.tokens ALTER COLUMN token_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fcst_app.tokens_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW fcst_app.weekly_sales AS
 SELECT s.dataset_id,
    s.unique_id,
    (s.first_wk_end_dt + (7 * ((w.n)::integer - 1))) AS wk_end_dt,
    w.unit_sales,
    COALESCE(w.promo_units, (0)::double precision) AS promo_units
   FROM (fcst_app.sales s
     CROSS JOIN LATERAL UNNEST(s.unit_sales, s.promo_units) WITH ORDINALITY w(unit_sales, promo_units, n));

ALTER TABLE ONLY fcst_app.adjustments ALTER COLUMN made_no SET DEFAULT nextval('fcst_app.plan_changes'::regclass);

ALTER TABLE ONLY fcst_app.driver_loads ALTER COLUMN driver_load_id SET DEFAULT nextval('fcst_app.driver_loads_driver_load_id_seq'::regclass);

ALTER TABLE ONLY fcst_app.actions
    ADD CONSTRAINT actions_pkey PRIMARY KEY (action_id);

ALTER TABLE ONLY fcst_app.adjusted_forecasts
    ADD CONSTRAINT adjusted_forecasts_pkey PRIMARY KEY (job_id, model, unique_id);

ALTER TABLE ONLY fcst_app.adjustment_items
    ADD CONSTRAINT adjustment_items_pkey PRIMARY KEY (adjustment_id, unique_id);

ALTER TABLE ONLY fcst_app.adjustments
    ADD CONSTRAINT adjustments_pkey PRIMARY KEY (adjustment_id);

ALTER TABLE ONLY fcst_app.attention_thresholds
    ADD CONSTRAINT attention_thresholds_pkey PRIMARY KEY (dataset);

ALTER TABLE ONLY fcst_app.attribute_values
    ADD CONSTRAINT attribute_values_pkey PRIMARY KEY (dataset_id, name, key);

ALTER TABLE ONLY fcst_app.backtests
    ADD CONSTRAINT backtests_pkey PRIMARY KEY (job_id, unique_id, model, cutoff);

ALTER TABLE ONLY fcst_app.batch_events
    ADD CONSTRAINT batch_events_pkey PRIMARY KEY (job_id, event_id);

ALTER TABLE ONLY fcst_app.batch_status
    ADD CONSTRAINT batch_status_job_id_batch_no_key UNIQUE (job_id, batch_no);

ALTER TABLE ONLY fcst_app.batch_status
    ADD CONSTRAINT batch_status_pkey PRIMARY KEY (batch_id);

ALTER TABLE ONLY fcst_app.data_sources
    ADD CONSTRAINT data_sources_pkey PRIMARY KEY (dataset);

ALTER TABLE ONLY fcst_app.datasets
    ADD CONSTRAINT datasets_name_version_key UNIQUE (name, version);

ALTER TABLE ONLY fcst_app.datasets
    ADD CONSTRAINT datasets_pkey PRIMARY KEY (dataset_id);

ALTER TABLE ONLY fcst_app.driver_loads
    ADD CONSTRAINT driver_loads_pkey PRIMARY KEY (driver_load_id);

ALTER TABLE ONLY fcst_app.driver_values
    ADD CONSTRAINT driver_values_pkey PRIMARY KEY (driver_load_id, key, name);

ALTER TABLE ONLY fcst_app.forecast_sums
    ADD CONSTRAINT forecast_sums_pkey PRIMARY KEY (job_id, model, unique_id);

ALTER TABLE ONLY fcst_app.forecasts
    ADD CONSTRAINT forecasts_pkey PRIMARY KEY (job_id, unique_id, model);

ALTER TABLE ONLY fcst_app.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (who, key);

ALTER TABLE ONLY fcst_app.ingests
    ADD CONSTRAINT ingests_pkey PRIMARY KEY (ingest_id);

ALTER TABLE ONLY fcst_app.items
    ADD CONSTRAINT items_dataset_id_sales_rank_key UNIQUE (dataset_id, sales_rank);

ALTER TABLE ONLY fcst_app.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (dataset_id, unique_id);

ALTER TABLE ONLY fcst_app.job_items
    ADD CONSTRAINT job_items_pkey PRIMARY KEY (job_id, unique_id);

ALTER TABLE ONLY fcst_app.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY fcst_app.known_attributes
    ADD CONSTRAINT known_attributes_pkey PRIMARY KEY (dataset_id, name);

ALTER TABLE ONLY fcst_app.learned
    ADD CONSTRAINT learned_pkey PRIMARY KEY (job_id, weeks_ago);

ALTER TABLE ONLY fcst_app.lifecycles
    ADD CONSTRAINT lifecycles_pkey PRIMARY KEY (dataset_id, unique_id, since);

ALTER TABLE ONLY fcst_app.metrics
    ADD CONSTRAINT metrics_pkey PRIMARY KEY (job_id, unique_id, model, cutoff);

ALTER TABLE ONLY fcst_app.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY fcst_app.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (notification_id);

ALTER TABLE ONLY fcst_app.published_items
    ADD CONSTRAINT published_items_pkey PRIMARY KEY (plan_id, unique_id);

ALTER TABLE ONLY fcst_app.published_plans
    ADD CONSTRAINT published_plans_pkey PRIMARY KEY (plan_id);

ALTER TABLE ONLY fcst_app.reviews
    ADD CONSTRAINT reviews_pkey PRIMARY KEY (job_id, model, unique_id);

ALTER TABLE ONLY fcst_app.sales
    ADD CONSTRAINT sales_pkey PRIMARY KEY (dataset_id, unique_id);

ALTER TABLE ONLY fcst_app.sales_totals
    ADD CONSTRAINT sales_totals_pkey PRIMARY KEY (dataset_id, grouped_by, key);

ALTER TABLE ONLY fcst_app.scenario_changes
    ADD CONSTRAINT scenario_changes_pkey PRIMARY KEY (change_id);

ALTER TABLE ONLY fcst_app.scenario_items
    ADD CONSTRAINT scenario_items_pkey PRIMARY KEY (scenario_id, unique_id);

ALTER TABLE ONLY fcst_app.scenarios
    ADD CONSTRAINT scenarios_job_id_name_key UNIQUE (job_id, name);

ALTER TABLE ONLY fcst_app.scenarios
    ADD CONSTRAINT scenarios_pkey PRIMARY KEY (scenario_id);

ALTER TABLE ONLY fcst_app.sign_outs
    ADD CONSTRAINT sign_outs_pkey PRIMARY KEY (sign_out_id);

ALTER TABLE ONLY fcst_app.stock_settings
    ADD CONSTRAINT stock_settings_pkey PRIMARY KEY (name, grouped_by, key_columns, key);

ALTER TABLE ONLY fcst_app.tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);

ALTER TABLE ONLY fcst_app.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (token_id);

ALTER TABLE ONLY fcst_app.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (worker_id);

CREATE INDEX accuracy_sums_batch ON fcst_app.accuracy_sums USING btree (batch_id);

CREATE INDEX accuracy_sums_group ON fcst_app.accuracy_sums USING btree (job_id, grouped_by);

CREATE INDEX actions_of ON fcst_app.actions USING btree (noun, number, action_id);

CREATE INDEX adjustment_items_item ON fcst_app.adjustment_items USING btree (unique_id, adjustment_id);

CREATE INDEX adjustments_run ON fcst_app.adjustments USING btree (job_id, model);

CREATE INDEX batch_events_batch ON fcst_app.batch_events USING btree (batch_id, event_id);

CREATE INDEX batch_events_reason ON fcst_app.batch_events USING btree (job_id, event_id) WHERE (reason IS NOT NULL);

CREATE INDEX batch_status_active ON fcst_app.batch_status USING btree (worker_id) WHERE (stage = ANY (ARRAY['learning'::text, 'obtaining_sales'::text, 'processing'::text, 'saving'::text]));

CREATE UNIQUE INDEX batch_status_learning ON fcst_app.batch_status USING btree (job_id) WHERE is_learning;

CREATE INDEX batch_status_open ON fcst_app.batch_status USING btree (job_id) WHERE (finished_at IS NULL);

CREATE INDEX batch_status_queue ON fcst_app.batch_status USING btree (job_id, batch_no) WHERE (stage = 'submitted'::text);

CREATE INDEX batch_status_started ON fcst_app.batch_status USING btree (job_id, started_at);

CREATE INDEX driver_loads_dataset ON fcst_app.driver_loads USING btree (dataset_id);

CREATE INDEX forecast_sums_unfound ON fcst_app.forecast_sums USING btree (job_id) WHERE (reasons IS NULL);

CREATE INDEX idempotency_keys_created ON fcst_app.idempotency_keys USING btree (created_at);

CREATE INDEX idempotency_keys_job ON fcst_app.idempotency_keys USING btree (job_id);

CREATE INDEX ingests_open ON fcst_app.ingests USING btree (ingest_id) WHERE (finished_at IS NULL);

CREATE INDEX job_items_batch ON fcst_app.job_items USING btree (batch_id, sales_rank);

CREATE INDEX job_items_failed ON fcst_app.job_items USING btree (job_id) WHERE (outcome = 'failed'::text);

CREATE INDEX job_items_lost ON fcst_app.job_items USING btree (job_id, lost_units DESC, suspected_weeks DESC, sales_rank) WHERE ((out_of_stock_weeks > 0) OR (suspected_weeks > 0));

CREATE INDEX job_items_rank ON fcst_app.job_items USING btree (job_id, sales_rank) INCLUDE (unique_id, outcome);

CREATE INDEX jobs_dataset ON fcst_app.jobs USING btree (dataset_id);

CREATE INDEX jobs_open ON fcst_app.jobs USING btree (job_id) WHERE (status IS NULL);

CREATE INDEX lifecycles_predecessors ON fcst_app.lifecycles USING gin (sources) WITH (fastupdate=off) WHERE (origin = 'predecessor'::text);

CREATE INDEX notifications_untold ON fcst_app.notifications USING btree (ended_at) WHERE ((delivered_at IS NULL) AND (gave_up_at IS NULL));

CREATE INDEX published_plans_dataset ON fcst_app.published_plans USING btree (dataset, plan_id);

CREATE INDEX published_plans_job ON fcst_app.published_plans USING btree (job_id);

CREATE INDEX scenario_changes_scenario ON fcst_app.scenario_changes USING btree (scenario_id);

CREATE INDEX sign_outs_person ON fcst_app.sign_outs USING btree (person) WHERE (person IS NOT NULL);

CREATE INDEX sign_outs_sign_in ON fcst_app.sign_outs USING btree (sign_in) WHERE (sign_in IS NOT NULL);

CREATE TRIGGER batch_stage_changed AFTER UPDATE ON fcst_app.batch_status FOR EACH ROW WHEN ((old.stage IS DISTINCT FROM new.stage)) EXECUTE FUNCTION fcst_app.record_batch_event();

CREATE TRIGGER batch_stage_set AFTER INSERT ON fcst_app.batch_status FOR EACH ROW EXECUTE FUNCTION fcst_app.record_batch_event();

ALTER TABLE ONLY fcst_app.adjusted_forecasts
    ADD CONSTRAINT adjusted_forecasts_job_id_fkey1 FOREIGN KEY (job_id) REFERENCES fcst_app.jobs(job_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.adjustment_items
    ADD CONSTRAINT adjustment_items_adjustment_id_fkey FOREIGN KEY (adjustment_id) REFERENCES fcst_app.adjustments(adjustment_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.adjustments
    ADD CONSTRAINT adjustments_job_id_fkey FOREIGN KEY (job_id) REFERENCES fcst_app.jobs(job_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.batch_events
    ADD CONSTRAINT batch_events_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES fcst_app.batch_status(batch_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.batch_status
    ADD CONSTRAINT batch_status_job_id_fkey FOREIGN KEY (job_id) REFERENCES fcst_app.jobs(job_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.driver_loads
    ADD CONSTRAINT driver_loads_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES fcst_app.datasets(dataset_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.idempotency_keys
    ADD CONSTRAINT idempotency_keys_job_id_fkey FOREIGN KEY (job_id) REFERENCES fcst_app.jobs(job_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.ingests
    ADD CONSTRAINT ingests_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES fcst_app.datasets(dataset_id) ON DELETE SET NULL;

ALTER TABLE ONLY fcst_app.items
    ADD CONSTRAINT items_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES fcst_app.datasets(dataset_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.jobs
    ADD CONSTRAINT jobs_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES fcst_app.datasets(dataset_id);

ALTER TABLE ONLY fcst_app.known_attributes
    ADD CONSTRAINT known_attributes_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES fcst_app.datasets(dataset_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.lifecycles
    ADD CONSTRAINT lifecycles_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES fcst_app.datasets(dataset_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.published_items
    ADD CONSTRAINT published_items_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES fcst_app.published_plans(plan_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.published_plans
    ADD CONSTRAINT published_plans_job_id_fkey FOREIGN KEY (job_id) REFERENCES fcst_app.jobs(job_id) ON DELETE SET NULL;

ALTER TABLE ONLY fcst_app.reviews
    ADD CONSTRAINT reviews_job_id_fkey FOREIGN KEY (job_id) REFERENCES fcst_app.jobs(job_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.sales_totals
    ADD CONSTRAINT sales_totals_dataset_id_fkey FOREIGN KEY (dataset_id) REFERENCES fcst_app.datasets(dataset_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.scenario_changes
    ADD CONSTRAINT scenario_changes_scenario_id_fkey FOREIGN KEY (scenario_id) REFERENCES fcst_app.scenarios(scenario_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.scenario_items
    ADD CONSTRAINT scenario_items_scenario_id_fkey FOREIGN KEY (scenario_id) REFERENCES fcst_app.scenarios(scenario_id) ON DELETE CASCADE;

ALTER TABLE ONLY fcst_app.scenarios
    ADD CONSTRAINT scenarios_job_id_fkey FOREIGN KEY (job_id) REFERENCES fcst_app.jobs(job_id) ON DELETE CASCADE;
