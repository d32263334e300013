-- insert_token
-- A token, known by its hash.
INSERT INTO fcst_app.tokens (name, scope, hash, expires_at)
VALUES (%(name)s, %(scope)s, %(hash)s, now() + make_interval(days => %(days)s))
RETURNING token_id;

-- list_tokens
-- All tokens, the newest first, without what could let anybody in.
SELECT token_id, name, scope, created_at, expires_at, revoked_at, last_used_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at < now() THEN 'expired' ELSE 'valid' END AS state
FROM fcst_app.tokens ORDER BY token_id DESC;

-- find_token
-- The token with a hash, if it is there, and whether it still holds.
SELECT token_id, name, scope, created_at, expires_at, revoked_at, last_used_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at < now() THEN 'expired' ELSE 'valid' END AS state,
       COALESCE(last_used_at < now() - interval '1 minute', true) AS is_use_to_be_noted
FROM fcst_app.tokens WHERE hash = %(hash)s;

-- note_token_use
-- A token was shown; one note a minute is enough.
UPDATE fcst_app.tokens SET last_used_at = now() WHERE token_id = %(token_id)s;

-- revoke_token
-- A token lets nobody in any more.
UPDATE fcst_app.tokens SET revoked_at = now() WHERE token_id = %(token_id)s AND revoked_at IS NULL RETURNING name;
