-- insert_action
-- Writes an entry of the audit log.
INSERT INTO fcst_app.actions (who, action, noun, number, words)
VALUES (%(who)s, %(action)s, %(noun)s, %(number)s, %(words)s);

-- list_actions
-- Entries of the audit log, newest first: all, or those of one object.
SELECT action_id, at, who, action, noun, number, words FROM fcst_app.actions
WHERE (noun = %(noun)s AND number = %(number)s) OR %(noun)s::text IS NULL
ORDER BY action_id DESC LIMIT %(limit)s;

-- last_restore
-- When a backup was last restored.
SELECT max(at) AS at FROM fcst_app.actions WHERE noun = 'schema' AND action = 'restore';
