-- insert_action
-- Somebody did something.
INSERT INTO fcst_app.actions (who, action, noun, number, words)
VALUES (%(who)s, %(action)s, %(noun)s, %(number)s, %(words)s);

-- list_actions
-- What was done, the newest first: all of it, or what was done to one thing.
SELECT action_id, at, who, action, noun, number, words FROM fcst_app.actions
WHERE (noun = %(noun)s AND number = %(number)s) OR %(noun)s::text IS NULL
ORDER BY action_id DESC LIMIT %(limit)s;

-- last_restore
-- When a backup last took the place of what was in the database.
SELECT max(at) AS at FROM fcst_app.actions WHERE noun = 'schema' AND action = 'restore';
