-- insert_sign_out
-- One sign-in has ended, or all that a person had.
INSERT INTO fcst_app.sign_outs (sign_in, person, at) VALUES (%(sign_in)s, %(person)s, %(at)s);

-- delete_old_sign_outs
-- Nothing of that age is signed in any more, whatever was recorded.
DELETE FROM fcst_app.sign_outs WHERE at < now() - make_interval(days => %(days)s);

-- find_sign_out
-- Whether a sign-in was ended, or all of its person's that are as old. Its time has no fractions of a second.
SELECT EXISTS (SELECT 1 FROM fcst_app.sign_outs WHERE sign_in = %(sign_in)s)
       OR EXISTS (SELECT 1 FROM fcst_app.sign_outs WHERE person = ANY (%(names)s) AND at >= %(since)s) AS found;
