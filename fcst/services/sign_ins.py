"""Validity of sign-ins: expiry and server-side sign-out, independent of browser cookies."""

import logging
import time
from collections import OrderedDict, deque
from datetime import UTC, datetime, timedelta

from fcst.errors import DatabaseUnreachable, InputError
from fcst.roles import Scope, SignIn
from fcst.services import identity
from fcst.settings import MOST_SIGN_IN_HOURS, load_settings
from fcst.store import sign_outs

CHECK_EVERY_S = 1.0
ASK_AGAIN_S = 5.0
MOST_CHECKED = 10_000
KEEP_DAYS = MOST_SIGN_IN_HOURS // 24 + 1
MAX_NAME = 200

log = logging.getLogger(__name__)

_checked: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()
"""Cache: sign-in -> time of the last query, and whether it had ended."""
_away: deque[float] = deque(maxlen=1)
"""Time of the last failed query."""


def is_over(sign_in: SignIn) -> bool:
    """Whether a sign-in has ended: by age, by sign-out, or because all sign-ins of the person were ended.

    While the database is not reachable, uses the last result; a sign-in without one counts as ended. A sign-in further
    in the future than its maximum age also counts as ended: it is from before the clock was set back.
    """
    if abs(datetime.now(UTC) - sign_in.at) >= timedelta(hours=load_settings().sign_in_hours):
        return True
    known = _checked.get(sign_in.key)
    if known is not None and (known[1] or time.monotonic() - known[0] < CHECK_EVERY_S):
        return known[1]
    was_over = known is None or known[1]
    if is_database_away():
        return was_over
    try:
        found = sign_outs.exists(sign_in.key, sign_in.names, sign_in.at)
    except DatabaseUnreachable:
        _away.append(time.monotonic())
        return was_over
    _remember(sign_in, found)
    return found


def is_database_away() -> bool:
    """Whether a query failed in the last seconds. Another one would wait for the timeout again."""
    return bool(_away) and time.monotonic() - _away[-1] < ASK_AGAIN_S


def end(sign_in: SignIn) -> None:
    """Ends one sign-in and invalidates its cookie; in this process even while the database is not reachable."""
    _remember(sign_in, True)
    try:
        sign_outs.insert(sign_in.key, datetime.now(UTC), KEEP_DAYS)
    except DatabaseUnreachable as exc:
        log.warning(
            "A sign-out is kept in memory until this server stops, because the database is not reachable: %s",
            exc.message,
        )


def sign_out_person(name: str) -> str:
    """Ends all current sign-ins of a person, who may sign in again; returns the normalised name.

    Raises
    ------
    InputError
        if the name is invalid.
    """
    who = identity.require(Scope.ADMIN)
    person = name.replace("\0", "").strip().lower()
    if not 0 < len(person) <= MAX_NAME:
        raise InputError(f"A person's name has 1 to {MAX_NAME} characters.", "Give the address used to sign in.")
    sign_outs.insert_person(person, datetime.now(UTC), KEEP_DAYS, who)
    return person


def _remember(sign_in: SignIn, is_ended: bool) -> None:
    _checked[sign_in.key] = (time.monotonic(), is_ended)
    _checked.move_to_end(sign_in.key)
    if len(_checked) > MOST_CHECKED:
        _checked.popitem(last=False)
