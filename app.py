"""The router and nothing else. `streamlit run app.py` imports this file as the server and runs it for each visitor."""

import streamlit as st

if __name__ != "__main__":
    from fcst.ui.server import MIDDLEWARE, ROUTES, check_settings, lifespan, sign_in_secrets

    check_settings()
    app = st.App(__file__, lifespan=lifespan, routes=ROUTES, middleware=MIDDLEWARE, secrets=sign_in_secrets())
else:
    from fcst.roles import Scope
    from fcst.ui import signin, start, theme

    st.set_page_config(page_title="fcst", page_icon="📈", layout="wide")
    for_analysts = signin.visibility(Scope.RUN)
    pages = [
        st.Page(start.lead_on, title="fcst", default=True, visibility="hidden"),
        st.Page("pages/home.py", title="Home", icon=":material/home:", url_path="home"),
        st.Page("pages/data.py", title="Data", icon=":material/database:", url_path="data"),
        st.Page(
            "pages/new_run.py",
            title="New run",
            icon=":material/play_circle:",
            url_path="new-run",
            visibility=for_analysts,
        ),
        st.Page("pages/runs.py", title="Runs", icon=":material/list_alt:", url_path="runs"),
        st.Page("pages/forecasts.py", title="Forecasts", icon=":material/query_stats:", url_path="forecasts"),
        st.Page("pages/accuracy.py", title="Accuracy", icon=":material/monitoring:", url_path="accuracy"),
        st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        st.Page("pages/glossary.py", title="Glossary", icon=":material/menu_book:", url_path="glossary"),
        st.Page("pages/load.py", title="Load sales", url_path="load", visibility="hidden"),
        st.Page("pages/dataset.py", title="Dataset", url_path="dataset", visibility="hidden"),
        *signin.account_page(),
    ]
    page = st.navigation(pages, position="hidden" if signin.is_outside() else "top")
    theme.mend(page.url_path)
    signin.run(page, pages)
