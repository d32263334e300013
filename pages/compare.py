"""Compare: two runs, and a run against later actual sales."""

import streamlit as st

from fcst.ui import text
from fcst.ui.comparison import show_accuracy, show_errors, show_items, show_later_accuracy, show_specs
from fcst.ui.results import find_runs
from fcst.ui.shell import choose, show_page, warn_of_unknown


def main() -> None:
    st.title("Compare", anchor=False)
    found = find_runs("No runs to compare yet. Start a run first.", ":material/compare_arrows:")
    if not found:
        return
    newest = list(found)

    def title(key: int) -> str:
        return f"{text.job_title(found[key])}, {text.dataset_title(found[key].dataset, found[key].dataset_version)}"

    notices, places = st.container(), st.columns(4)
    with notices:
        for name in ("job", "other"):
            warn_of_unknown(name, map(str, found), "Run {} has no forecasts. Another run is shown.")
    with places[0]:
        job = found[choose("Run", newest, "job", title)]
    with places[1]:
        model = choose("Model", job.spec.models, "model", text.model_name)
    others = sorted((key for key in newest if key != job.job_id), key=lambda key: found[key].dataset != job.dataset)
    if not others:
        show_errors([(job, model)])
        show_later_accuracy(job, model)
        st.info("No other run with forecasts to compare with.", icon=":material/compare_arrows:")
        return
    with places[2]:
        other = found[choose("Compare with", others, "other", title)]
    with places[3]:
        other_model = choose("Model to compare", other.spec.models, "other_model", text.model_name)
    show_errors([(job, model), (other, other_model)])
    show_later_accuracy(job, model)
    show_items(job, model, other, other_model)
    show_accuracy(job, other)
    show_specs(job, other)


show_page(main)
