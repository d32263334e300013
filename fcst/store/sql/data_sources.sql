-- set_data_source
-- Saves the source of a dataset name, replacing an earlier one.
INSERT INTO fcst_app.data_sources (dataset, source, spec, set_by)
VALUES (%(dataset)s, %(source)s, %(spec)s, %(set_by)s)
ON CONFLICT (dataset) DO UPDATE
SET source = excluded.source, spec = excluded.spec, set_by = excluded.set_by, set_at = now();

-- keep_source_spec
-- Keeps how a source was read, with the recognised values, so that the next refresh reads it in the same way.
UPDATE fcst_app.data_sources SET spec = %(spec)s WHERE dataset = %(dataset)s;

-- list_data_sources
-- The sources of all dataset names, or of one, with the newest version and an open refresh.
SELECT s.dataset, s.source, s.spec, s.set_by, s.set_at,
       (SELECT d.dataset_id FROM fcst_app.datasets d WHERE d.name = s.dataset ORDER BY d.version DESC LIMIT 1)
           AS dataset_id,
       (SELECT i.ingest_id FROM fcst_app.ingests i
        WHERE i.finished_at IS NULL AND i.spec ->> 'name' = s.dataset AND (i.spec ->> 'from_source')::boolean
        ORDER BY i.ingest_id LIMIT 1) AS open_ingest_id
FROM fcst_app.data_sources s
WHERE s.dataset = %(dataset)s OR %(dataset)s::text IS NULL
ORDER BY s.dataset;

-- lock_data_source
-- Locks the source of a dataset name, so that two requests for a refresh do not both find none open.
SELECT dataset FROM fcst_app.data_sources WHERE dataset = %(dataset)s FOR UPDATE;

-- delete_data_source
-- Deletes the source of a dataset name.
DELETE FROM fcst_app.data_sources WHERE dataset = %(dataset)s;

-- delete_orphaned_data_source
-- Deletes the source of a dataset name that has no version left.
DELETE FROM fcst_app.data_sources s
WHERE s.dataset = %(name)s AND NOT EXISTS (SELECT FROM fcst_app.datasets d WHERE d.name = s.dataset);
