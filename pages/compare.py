"""Compare: two runs side by side, and a run with what happened since."""

import streamlit as st

from fcst.ui import text
from fcst.ui.comparison import show_accuracy, show_items, show_since, show_specs
from fcst.ui.results import find_runs
from fcst.ui.shell import choose, show_page, warn_of_unknown


def main() -> None:
    st.title("Compare", anchor=False)
    found = find_runs("There is nothing to compare before a run.", ":material/compare_arrows:")
    if not found:
        return
    newest = list(found)
    notices, places = st.container(), st.columns(4)
    with notices:
        for name in ("job", "other"):
            warn_of_unknown(name, map(str, found), "Run {} has no forecasts; another one is shown.")
    with places[0]:
        job = found[choose("Run", newest, "job", lambda key: text.job_title(found[key]))]
    with places[1]:
        model = choose("Its model", job.spec.models, "model", str)
    others = [key for key in newest if key != job.job_id]
    if not others:
        show_since(job, model)
        st.info("There is no other run with forecasts to put beside this one.", icon=":material/compare_arrows:")
        return
    with places[2]:
        other = found[choose("Beside", others, "other", lambda key: text.job_title(found[key]))]
    with places[3]:
        other_model = choose("Its model ", other.spec.models, "other_model", str)
    show_since(job, model)
    show_specs(job, other)
    show_accuracy(job, other)
    show_items(job, model, other, other_model)


show_page(main)
