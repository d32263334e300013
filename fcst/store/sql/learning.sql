-- delete_learned
-- Deletes the learnt parameters of a run, before they are rewritten.
DELETE FROM fcst_app.learned WHERE job_id = %(job_id)s;

-- insert_learned
-- Inserts what a run has learnt from the weeks up to a cutoff.
INSERT INTO fcst_app.learned (job_id, weeks_ago, summary, content)
VALUES (%(job_id)s, %(weeks_ago)s, %(summary)s, %(content)s);

-- list_learned
-- The learnt parameters that the batches of a run load.
SELECT weeks_ago, content FROM fcst_app.learned WHERE job_id = %(job_id)s ORDER BY weeks_ago;

-- learned_summary
-- A readable summary of what a run has learnt from all its weeks.
SELECT summary FROM fcst_app.learned WHERE job_id = %(job_id)s ORDER BY weeks_ago LIMIT 1;
