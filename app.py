"""Router of the app. `streamlit run app.py` imports this file as the server and runs it for each visitor."""

import streamlit as st

if __name__ != "__main__":
    from fcst.ui.server import MIDDLEWARE, ROUTES, check_settings, lifespan, sign_in_secrets

    check_settings()
    app = st.App(__file__, lifespan=lifespan, routes=ROUTES, middleware=MIDDLEWARE, secrets=sign_in_secrets())
else:
    from fcst.ui import signin, start, theme
    from fcst.ui.page_table import PAGES

    st.set_page_config(page_title="fcst", page_icon="📈", layout="wide")
    pages = [
        st.Page(start.open_first_page, title="fcst", default=True, visibility="hidden"),
        *(
            st.Page(
                page.file,
                title=page.title,
                icon=f":material/{page.icon}:" if page.icon else None,
                url_path=page.url_path,
                visibility="hidden" if page.parent else signin.visibility(page.scope),
            )
            for page in PAGES
        ),
        *signin.account_page(),
    ]
    page = st.navigation(pages, position="hidden" if signin.has_no_access() else "top")
    theme.apply(page.url_path)
    signin.run_page(page, pages)
