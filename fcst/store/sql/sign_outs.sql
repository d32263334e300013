-- insert_sign_out
-- Ends one sign-in, or all sign-ins of a person.
INSERT INTO fcst_app.sign_outs (sign_in, person, at) VALUES (%(sign_in)s, %(person)s, %(at)s);

-- delete_old_sign_outs
-- Deletes old entries; sign-ins of that age have expired.
DELETE FROM fcst_app.sign_outs WHERE at < now() - make_interval(days => %(days)s);

-- find_sign_out
-- Whether a sign-in was ended, alone or with all sign-ins of its person up to that time. Times have no fractions of a
-- second.
SELECT EXISTS (SELECT 1 FROM fcst_app.sign_outs WHERE sign_in = %(sign_in)s)
       OR EXISTS (SELECT 1 FROM fcst_app.sign_outs WHERE person = ANY (%(names)s) AND at >= %(since)s) AS found;
