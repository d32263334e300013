-- claim_notification
-- The next end of a job that is due to be told; for a while nobody else tells it.
UPDATE fcst_app.notifications n
SET attempts = n.attempts + 1, due_at = now() + make_interval(secs => %(hold_s)s)
FROM fcst_app.jobs j
WHERE j.job_id = n.job_id AND n.notification_id = (
    SELECT notification_id FROM fcst_app.notifications
    WHERE delivered_at IS NULL AND gave_up_at IS NULL AND due_at <= now()
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING n.notification_id, n.job_id, n.ended_at, n.attempts;

-- note_delivery
-- An end was heard.
UPDATE fcst_app.notifications SET delivered_at = now(), error = NULL WHERE notification_id = %(notification_id)s;

-- note_failed_delivery
-- An end was not heard: it is told again after a while, unless a day has passed or nobody wants to hear it any more.
UPDATE fcst_app.notifications
SET error = %(error)s, due_at = now() + make_interval(secs => %(wait_s)s),
    gave_up_at = CASE WHEN %(is_final)s OR ended_at < now() - interval '1 day' THEN now() END
WHERE notification_id = %(notification_id)s;

-- list_undelivered
-- Ends that were not heard at once: those that are tried again, and those of the last day that were given up.
SELECT notification_id, job_id, attempts, error, due_at, gave_up_at FROM fcst_app.notifications
WHERE delivered_at IS NULL AND attempts > 0 AND error IS NOT NULL
  AND (gave_up_at IS NULL OR gave_up_at > now() - interval '1 day')
ORDER BY notification_id DESC LIMIT %(limit)s;
