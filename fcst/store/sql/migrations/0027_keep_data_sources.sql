-- Where the sales of a dataset name come from, and how they are read, so that it can be refreshed. No secrets: a source
-- names the secret of the installation that it needs.
CREATE TABLE fcst_app.data_sources (
    dataset text PRIMARY KEY CHECK (dataset <> ''),
    source  jsonb NOT NULL,
    spec    jsonb NOT NULL,
    set_by  text NOT NULL CHECK (set_by <> ''),
    set_at  timestamptz NOT NULL DEFAULT now()
);
