-- claim_notifications
-- Claims due notifications for a while, so that no other process delivers them. A due time more than five hours ahead
-- counts as due: no wait is that long, so the clock was set back.
UPDATE fcst_app.notifications
SET attempts = attempts + 1, due_at = now() + make_interval(secs => %(hold_s)s)
WHERE notification_id IN (
    SELECT notification_id FROM fcst_app.notifications
    WHERE delivered_at IS NULL AND gave_up_at IS NULL AND ended_at > now() - interval '1 day'
      AND (due_at <= now() OR due_at > now() + interval '5 hours')
    ORDER BY due_at LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
RETURNING notification_id, job_id, ended_at, attempts, data;

-- mark_delivered
-- Marks a notification as delivered.
UPDATE fcst_app.notifications SET delivered_at = now(), error = NULL WHERE notification_id = %(notification_id)s;

-- note_failed_delivery
-- Records a failed delivery: schedules the next attempt, or gives up.
UPDATE fcst_app.notifications
SET error = %(error)s, due_at = now() + make_interval(secs => %(wait_s)s),
    gave_up_at = CASE WHEN %(is_final)s THEN now() END
WHERE notification_id = %(notification_id)s;

-- list_undelivered
-- Notifications with a failed delivery: pending ones, and those given up, as all are after a day; kept for one more
-- day.
SELECT job_id, attempts, error, due_at,
       gave_up_at IS NOT NULL OR ended_at <= now() - interval '1 day' AS is_given_up
FROM fcst_app.notifications WHERE delivered_at IS NULL AND error IS NOT NULL AND ended_at > now() - interval '2 days'
ORDER BY notification_id DESC LIMIT %(limit)s;

-- forget_notifications
-- Deletes notifications a day after the end of their delivery.
DELETE FROM fcst_app.notifications WHERE ended_at < now() - interval '2 days';
