-- delete_learned
-- What a run has learnt, before it is written anew.
DELETE FROM fcst_app.learned WHERE job_id = %(job_id)s;

-- insert_learned
-- What a run has learnt from the weeks up to a cutoff.
INSERT INTO fcst_app.learned (job_id, weeks_ago, summary, content)
VALUES (%(job_id)s, %(weeks_ago)s, %(summary)s, %(content)s);

-- list_learned
-- What batches of a run load.
SELECT weeks_ago, content FROM fcst_app.learned WHERE job_id = %(job_id)s ORDER BY weeks_ago;

-- learned_summary
-- What people read of what a run has learnt from all its weeks.
SELECT summary FROM fcst_app.learned WHERE job_id = %(job_id)s ORDER BY weeks_ago LIMIT 1;
