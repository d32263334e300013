// What the browser does for every page: it begins at its top, and says when the connection to the server is lost.
(() => {
    if (window.fcst) return  // a page that runs again has it already
    window.fcst = {}

    // Streamlit leaves the page as far down as the one before was. A run opened from the list of runs is another page.
    const place = () => location.pathname + '?job=' + new URLSearchParams(location.search).get('job')
    let current = place()
    const begin = () => {
        if (place() === current) return
        current = place()
        document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0, behavior: 'instant' })
    }
    // On a switch Streamlit writes the parameters of the new page under the path of the old one first, and then its path.
    // What stands in between is no place to go back to: the second step replaces the first.
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
        begin()
    }
    history.replaceState = (...given) => {
        replace(...given)
        begin()
    }
    addEventListener('popstate', begin)

    const PATIENCE_MS = 1500  // a connection that is back by then was not missed
    const bar = document.createElement('div')
    bar.id = 'fcst-connection'
    bar.setAttribute('role', 'status')
    document.body.append(bar)
    let timer = 0
    const look = () => {
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
            bar.textContent = 'The connection to fcst is lost. Your runs go on. '
                + (isOver ? 'Reload the page.' : 'Trying again …')
        }, bar.textContent ? 0 : PATIENCE_MS)
    }
    const app = document.querySelector('[data-testid="stApp"]')
    new MutationObserver(look).observe(app, { attributeFilter: ['data-test-connection-state'] })
    look()
})()
