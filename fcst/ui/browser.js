// Browser script of every page: scroll position, history entries, and a message while the server is not reachable.
(() => {
    if (window.fcst) return  // already loaded in this tab
    window.fcst = {}

    // Streamlit keeps the scroll position of the previous page. Scroll to the top on a new page; a run counts as a page.
    const place = () => location.pathname + '?job=' + new URLSearchParams(location.search).get('job')
    let current = place()
    const scrollToTop = () => {
        if (place() === current) return
        current = place()
        document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0, behavior: 'instant' })
    }
    // On a page switch Streamlit pushes the new parameters with the old path first, then the new path. Replace the first
    // entry with the second, so that Back does not lead to the address in between.
    const SWITCH_MS = 3000
    const push = history.pushState.bind(history)
    const replace = history.replaceState.bind(history)
    let parametersAt = -SWITCH_MS
    history.pushState = (state, title, address) => {
        const next = new URL(address, location.href)
        const isSamePage = next.pathname === location.pathname
        const isSecondStep = !isSamePage && next.search === location.search && performance.now() - parametersAt < SWITCH_MS
        parametersAt = isSamePage ? performance.now() : -SWITCH_MS
        ;(isSecondStep ? replace : push)(state, title, address)
        scrollToTop()
    }
    history.replaceState = (...given) => {
        replace(...given)
        scrollToTop()
    }
    addEventListener('popstate', scrollToTop)

    const DELAY_MS = 1500  // shorter interruptions are not shown
    const bar = document.createElement('div')
    bar.id = 'fcst-connection'
    bar.setAttribute('role', 'status')
    document.body.append(bar)
    let timer = 0
    const update = () => {
        const state = document.querySelector('[data-testid="stApp"]')?.dataset.testConnectionState ?? 'CONNECTED'
        clearTimeout(timer)
        if (state === 'CONNECTED') {
            bar.textContent = ''
            delete document.documentElement.dataset.connection
            return
        }
        document.documentElement.dataset.connection = 'lost'
        const isOver = state === 'DISCONNECTED_FOREVER'
        timer = setTimeout(() => {
            bar.textContent = 'The connection to fcst is lost. Runs continue. '
                + (isOver ? 'Reload the page.' : 'Reconnecting …')
        }, bar.textContent ? 0 : DELAY_MS)
    }
    const app = document.querySelector('[data-testid="stApp"]')
    new MutationObserver(update).observe(app, { attributeFilter: ['data-test-connection-state'] })
    update()
})()
