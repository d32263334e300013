-- Scenarios of a run: its forecasts under different future drivers.

-- version counts its changes, including removed ones.
CREATE TABLE fcst_app.scenarios (
    scenario_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      integer NOT NULL REFERENCES fcst_app.jobs ON DELETE CASCADE,
    name        text NOT NULL CHECK (name <> ''),
    made_by     text NOT NULL CHECK (made_by <> ''),
    made_at     timestamptz NOT NULL DEFAULT now(),
    version     integer NOT NULL DEFAULT 0,
    UNIQUE (job_id, name)
);

-- Driver changes in some weeks, for some items. how: set to a value, or change by percent of the planned value. scope
-- describes the selected items; unique_ids are those of them with driver effects.
CREATE TABLE fcst_app.scenario_changes (
    change_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scenario_id     integer NOT NULL REFERENCES fcst_app.scenarios ON DELETE CASCADE,
    driver          text NOT NULL,
    first_wk_end_dt date NOT NULL,
    last_wk_end_dt  date NOT NULL CHECK (last_wk_end_dt >= first_wk_end_dt),
    how             text NOT NULL CHECK (how IN ('to', 'percent')),
    value           double precision NOT NULL CHECK (abs(value) < 'infinity'),
    scope           text NOT NULL,
    unique_ids      text[] COLLATE "C" NOT NULL CHECK (cardinality(unique_ids) > 0),
    made_by         text NOT NULL CHECK (made_by <> ''),
    made_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX scenario_changes_scenario ON fcst_app.scenario_changes (scenario_id);

-- The result of the changes by item and week: the multipliers of its baseline and of its plan. The factor of the plan
-- is NULL if the run's uplift is 0 and the scenario's is not.
CREATE TABLE fcst_app.scenario_items (
    scenario_id integer NOT NULL REFERENCES fcst_app.scenarios ON DELETE CASCADE,
    unique_id   text COLLATE "C" NOT NULL,
    uplift      double precision[] NOT NULL,
    factors     double precision[] NOT NULL,
    PRIMARY KEY (scenario_id, unique_id),
    CHECK ((0 <= ALL (uplift) AND 'infinity' > ALL (uplift)) IS NOT FALSE),
    CHECK ((0 <= ALL (factors) AND 'infinity' > ALL (factors)) IS NOT FALSE)
);
