"""Compare: two runs side by side, and a run with what happened since."""

import streamlit as st

from fcst.ui import text
from fcst.ui.comparison import show_accuracy, show_how_far_off, show_items, show_since, show_specs
from fcst.ui.results import find_runs
from fcst.ui.shell import choose, show_page, warn_of_unknown


def main() -> None:
    st.title("Compare", anchor=False)
    found = find_runs("There is nothing to compare before a run.", ":material/compare_arrows:")
    if not found:
        return
    newest = list(found)

    def title(key: int) -> str:
        return f"{text.job_title(found[key])}, {text.dataset_title(found[key].dataset, found[key].dataset_version)}"

    notices, places = st.container(), st.columns(4)
    with notices:
        for name in ("job", "other"):
            warn_of_unknown(name, map(str, found), "Run {} has no forecasts; another one is shown.")
    with places[0]:
        job = found[choose("Run", newest, "job", title)]
    with places[1]:
        model = choose("Its model", job.spec.models, "model", text.model_name)
    others = sorted((key for key in newest if key != job.job_id), key=lambda key: found[key].dataset != job.dataset)
    if not others:
        show_how_far_off([(job, model)])
        show_since(job, model)
        st.info("There is no other run with forecasts to put beside this one.", icon=":material/compare_arrows:")
        return
    with places[2]:
        other = found[choose("Beside", others, "other", title)]
    with places[3]:
        other_model = choose("Its model ", other.spec.models, "other_model", text.model_name)
    show_how_far_off([(job, model), (other, other_model)])
    show_since(job, model)
    show_items(job, model, other, other_model)
    show_accuracy(job, other)
    show_specs(job, other)


show_page(main)
