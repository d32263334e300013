"""Views of one run: progress, batches, timeline, failures, history, batch log."""

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.job_records import Job, Reason
from fcst.roles import Scope
from fcst.services import actions, jobs
from fcst.services.jobs import BatchSort
from fcst.states import Stage
from fcst.ui import live, tables, text
from fcst.ui.shell import action_errors, choose, choose_page, number_in_url, page_in_url, write_to_url
from fcst.ui.signin import may
from fcst.ui.status import batch_frame, event_frame, find_stalls, stage_column, stage_words, waiting_reason

BATCHES_A_PAGE = 50
ATTEMPTS_A_PAGE = 300
FAILURES_A_PAGE = 100
MOST_EVENTS = 500
MOST_ACTIONS = 10
MOST_LINES = 50
MOST_REASONS = 20

IN_WORK = "in_work"
BATCH_STAGES = tuple(stage for stage in Stage if stage is not Stage.LEARNING)
STAGES: dict[str, tuple[Stage, ...]] = {
    "": BATCH_STAGES,
    IN_WORK: (Stage.OBTAINING_SALES, Stage.PROCESSING, Stage.SAVING),
    **{stage.value: (stage,) for stage in BATCH_STAGES},
}
SORTS = {
    BatchSort.URGENT: "running and failed first",
    BatchSort.NUMBER: "number",
    BatchSort.LONGEST: "longest first",
    BatchSort.ATTEMPTS: "most attempts first",
    BatchSort.FAILED: "most failed items first",
}


def show_progress(job: Job) -> None:
    """Progress and rate of a run, and why it waits or has stalled."""
    stall = find_stalls([job]).get(job.job_id)
    st.progress(job.n_done / job.n_items)
    with st.container(horizontal=True):
        st.metric("Items done", f"{job.n_completed:,} of {job.n_items:,}", border=True)
        st.metric("Items failed", f"{job.n_failed:,}", border=True)
        if job.n_cancelled:
            st.metric("Items cancelled", f"{job.n_cancelled:,}", border=True)
        st.metric("Rate", f"{job.items_per_s:,.1f} items/s" if job.items_per_s else "–", border=True)
        if job.is_over:
            st.metric("Duration", text.duration(job.seconds) or "–", border=True)
        else:
            left = None if stall else job.time_left_s
            st.metric("Time left (estimate)", text.duration(left) or "–", border=True)
    _show_learning(job)
    if job.is_over:
        return
    if stall is not None:
        st.error(text.stalled(stall), icon=":material/error:")
    elif reason := waiting_reason(job):
        st.info(text.plain(reason), icon=":material/hourglass_top:")
    st.caption(
        "Cancelling stops waiting batches immediately and running batches within two seconds. Finished items stay."
    )


def _show_learning(job: Job) -> None:
    """Progress of the learning step of a run."""
    found = jobs.find_learning(job.job_id) if job.spec.learns else None
    if found is None:
        return
    if found.stage == Stage.COMPLETED:
        st.caption(f":material/school: Learning across items took {text.duration(found.seconds)}.")
    elif found.stage == Stage.LEARNING:
        words = f"Learning across items for {text.duration(found.seconds)}. Batches start afterwards."
        st.info(words, icon=":material/school:")
    elif found.stage == Stage.FAILED:
        why = text.plain(found.error or "")
        st.warning(f"Learning across items failed. Items are forecast without it. {why}", icon=":material/school:")


def show_batches(job: Job) -> None:
    """Shows a page of the batches of a run; a click on a batch opens its log."""
    if st.query_params.get("view") == "log":
        st.rerun()  # a batch was selected: rerun the whole page, which shows its log
    counts = [f"{job.batches[stage]:,} {stage_words(stage)}" for stage in Stage if stage in job.batches]
    st.header(f"Batches: {', '.join(counts)}", anchor=False)
    with st.container(horizontal=True):
        names = {"": "all", IN_WORK: "running"}
        stage = choose("Stage", list(STAGES), "stage", lambda name: names.get(name) or stage_words(name), width=220)
        sort = choose("Order", list(SORTS), "sort", SORTS.__getitem__, width=240)
    stages = STAGES[stage]
    n_found = sum(job.batches.get(stage, 0) for stage in stages)
    skip = (page_in_url(n_found, BATCHES_A_PAGE) - 1) * BATCHES_A_PAGE
    rows = live.read(
        ("batches", job.job_id, stages, sort, skip),
        lambda: jobs.list_batches(job.job_id, BATCHES_A_PAGE, skip, stages if stage else None, sort),
    )
    st.session_state["shown_batches"] = [row.batch_no for row in rows]
    if not rows:
        st.caption("No batches are in this stage now.")
        return
    tables.show(
        batch_frame(rows),
        placeholder="",
        key="batches",
        on_select=_open_batch,
        selection_mode="single-cell",
        height=min(36 + 35 * len(rows), 560),
        column_config={
            "Batch": st.column_config.NumberColumn(width="small"),
            "Stage": stage_column(),
            "Attempt": st.column_config.NumberColumn(width="small"),
            "Items": st.column_config.NumberColumn(width="small"),
            "Done": st.column_config.NumberColumn(width="small"),
            "Failed": st.column_config.NumberColumn(width="small"),
            "Error": st.column_config.TextColumn(width="large"),
        },
    )
    choose_page(n_found, BATCHES_A_PAGE)
    which = f"Batches {skip + 1:,} to {skip + len(rows):,} of {n_found:,}. " if len(rows) < n_found else ""
    st.caption(f"{which}Click a batch to open its log.")


def _open_batch() -> None:
    """Opens the log of the selected batch. A selection is a position in the table as drawn; batches may have moved."""
    if (row := tables.clicked_row(st.session_state["batches"])) is not None:
        params = {key: value for key, value in st.query_params.to_dict().items() if key == "job"}
        number = st.session_state["shown_batches"][row]
        st.query_params.from_dict(params | {"view": "log", "batch": str(number)})


def show_timeline(job: Job) -> None:
    """Chart of the attempts of batches over time."""
    if not job.n_attempts:
        st.caption("No batch has started.")
        return
    n_pages = -(-job.n_attempts // ATTEMPTS_A_PAGE)
    number = page_in_url(job.n_attempts, ATTEMPTS_A_PAGE)
    attempts = jobs.list_attempts(job.job_id, ATTEMPTS_A_PAGE, (n_pages - number) * ATTEMPTS_A_PAGE)
    if attempts.empty:  # the run was just deleted: this raises the error
        jobs.get_job(job.job_id)
        return
    for column in ("started_at", "ended_at"):
        attempts[column] = [at.to_pydatetime().astimezone().replace(tzinfo=None) for at in attempts[column]]
    st.plotly_chart(charts.timeline_chart(attempts), key="timeline", alt="Attempts of batches over time")
    choose_page(job.n_attempts, ATTEMPTS_A_PAGE)
    which = f" {len(attempts):,} of {job.n_attempts:,} attempts shown; page 1 has the newest." if n_pages > 1 else ""
    st.caption(f"Each row is one worker slot. The worker process itself is not recorded.{which}")


def show_failures(job: Job) -> None:
    """Failed and cancelled items, grouped by reason, with a retry button for each group."""
    reasons = jobs.count_reasons(job.job_id)
    if not reasons:
        st.caption("No items failed or were cancelled." if job.is_over else "No items have failed so far.")
        return
    if not job.is_over:
        st.caption("Failed items can be retried after the run has ended.")
    for number, row in enumerate(reasons[:MOST_REASONS]):
        _show_reason(job, number, row)
    if len(reasons) > MOST_REASONS:
        st.caption(f"{len(reasons) - MOST_REASONS:,} more reasons are not shown. The table lists all failed items.")
    if not job.n_failed:
        return
    st.header(f"{text.count(job.n_failed, 'item')} failed", anchor=False)
    skip = (page_in_url(job.n_failed, FAILURES_A_PAGE) - 1) * FAILURES_A_PAGE
    failures = pd.DataFrame(
        jobs.list_failures(job.job_id, FAILURES_A_PAGE, skip), columns=["unique_id", "batch_no", "attempt", "reason"]
    )
    tables.show(
        failures.set_axis(["Item", "Batch", "Attempt", "Reason"], axis=1),
        placeholder="",
        column_config={"Reason": st.column_config.TextColumn(width="large")},
    )
    choose_page(job.n_failed, FAILURES_A_PAGE)


def _show_reason(job: Job, number: int, row: Reason) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        n_more = row.n_items - len(row.first_ids)
        which = ", ".join(row.first_ids) + (f" and {n_more:,} more" if n_more else "")
        where = text.count(row.n_batches, "batch", "batches")
        with st.container(width="stretch", gap="xsmall"):
            st.markdown(f"**{text.count(row.n_items, 'item')} {row.outcome}**: {text.plain(row.reason)}")
            st.caption(f"In {where}: {text.plain(which)}")
        if job.is_over and may(Scope.RUN):
            st.button(
                "Retry",
                key=f"again_{number}",
                icon=":material/replay:",
                on_click=_retry_reason,
                args=(job.job_id, row.outcome, row.reason),
            )


def _retry_reason(job_id: int, outcome: str, reason: str) -> None:
    with action_errors():
        jobs.retry_reason(job_id, outcome, reason)


def show_history(job: Job) -> None:
    """User actions on the run, then stage changes of its batches, newest first; at first only those with a problem."""
    done = actions.list_actions(job.job_id, MOST_ACTIONS)
    words = [f"{text.moment(row.at)} {text.plain(row.who)}: {row.action} {text.plain(row.words)}" for row in done]
    st.caption("  \n".join(map(str.rstrip, words)))
    problems = jobs.list_events(job.job_id, only_with_reason=True, limit=MOST_EVENTS)
    only_problems = bool(problems) and st.toggle("Problems only", value=True, key="only_wrong")
    events = problems if only_problems else jobs.list_events(job.job_id, limit=MOST_EVENTS)
    tables.show(event_frame(events), placeholder="", key="events")
    if len(events) == MOST_EVENTS:
        st.caption(f"Only the newest {MOST_EVENTS} are shown.")


def show_log(job: Job) -> None:
    """Shows the log of the batch in the URL, otherwise of the first failed batch, otherwise of the first started."""
    batch = jobs.find_batch(job.job_id, number_in_url("batch")) or jobs.find_batch(job.job_id, None)
    if batch is None:
        st.caption("No batch has started.")
        return
    st.session_state["log_batch"] = batch.batch_no
    number = st.number_input(
        "Batch (0 = learning)" if job.spec.learns else "Batch",
        min_value=0 if job.spec.learns else 1,
        max_value=job.n_batches,
        key="log_batch",
        on_change=lambda: write_to_url("batch", str(st.session_state["log_batch"])),
        width=240,
    )
    attempt = f", attempt {batch.attempt}" if batch.attempt else ""
    st.caption(f"Batch {number} is {stage_words(batch.stage)}{attempt}.")
    lines = jobs.list_log_lines(job, batch.batch_id, MOST_LINES)
    if lines:
        st.code(
            "\n".join(text.log_line(line.time, line.level, line.event, line.attempt, line.text) for line in lines),
            language=None,
            wrap_lines=True,
        )
    elif batch.attempt:
        who = f"its supervisor {text.plain(batch.worker)}" if batch.worker else "its supervisor"
        st.caption(
            f"The log in this home folder has no lines of batch {number}. Possible reasons: {who} runs on another "
            "machine, from another home folder, or in a terminal; or the lines are older than the kept log files."
        )
