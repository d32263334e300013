-- claim_notifications
-- Notifications that are due; for a while no other process delivers them. No wait is as long as five hours: one that ends
-- later is of before the clock went back.
UPDATE fcst_app.notifications
SET attempts = attempts + 1, due_at = now() + make_interval(secs => %(hold_s)s)
WHERE notification_id IN (
    SELECT notification_id FROM fcst_app.notifications
    WHERE delivered_at IS NULL AND gave_up_at IS NULL AND ended_at > now() - interval '1 day'
      AND (due_at <= now() OR due_at > now() + interval '5 hours')
    ORDER BY due_at LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
RETURNING notification_id, job_id, ended_at, attempts, data;

-- note_delivery
-- A notification was delivered.
UPDATE fcst_app.notifications SET delivered_at = now(), error = NULL WHERE notification_id = %(notification_id)s;

-- note_failed_delivery
-- A delivery failed: another attempt is made after a while, unless the receiver is gone for good.
UPDATE fcst_app.notifications
SET error = %(error)s, due_at = now() + make_interval(secs => %(wait_s)s),
    gave_up_at = CASE WHEN %(is_final)s THEN now() END
WHERE notification_id = %(notification_id)s;

-- list_undelivered
-- Notifications whose delivery failed: those that have another attempt, and those that were given up, as all are after a
-- day, for a day more.
SELECT job_id, attempts, error, due_at,
       gave_up_at IS NOT NULL OR ended_at <= now() - interval '1 day' AS is_given_up
FROM fcst_app.notifications WHERE delivered_at IS NULL AND error IS NOT NULL AND ended_at > now() - interval '2 days'
ORDER BY notification_id DESC LIMIT %(limit)s;

-- forget_notifications
-- Notifications that were delivered or given up, a day after that.
DELETE FROM fcst_app.notifications WHERE ended_at < now() - interval '2 days';
