"""Downloads a file by HTTP(S): retries, follows redirects, and connects to public addresses only unless allowed."""

import ipaddress
import re
import socket
import ssl
import time
from urllib.parse import unquote, urlsplit

import httpx

from fcst import __version__, logs
from fcst.errors import InputError
from fcst.fetch.limits import CONNECT_S, SILENCE_S, Fetching, LimitedFile

WAITS_S = (2.0, 10.0)
"""Waits before the second and third attempt."""
MAX_REDIRECTS = 5
RETRIED = (408, 425, 429, 500, 502, 503, 504)


class _AddressRefused(httpx.TransportError):
    """The host has an address that may not be read from; not retried."""


def download(url: str, authorization: str, fetching: Fetching) -> str:
    """Downloads a file; returns its path.

    Parameters
    ----------
    authorization
        value of the Authorization header; empty: none.

    Raises
    ------
    InputError
        if the file cannot be downloaded whole.
    """
    headers = {"User-Agent": f"fcst/{__version__}"} | ({"Authorization": authorization} if authorization else {})
    for wait_s in (*WAITS_S, None):
        try:
            return _attempt(url, headers, fetching)
        except _AddressRefused as exc:
            raise InputError(str(exc), "Ask the operator to add it to FCST_PRIVATE_HOSTS.") from None
        except httpx.HTTPStatusError as exc:
            status = exc.response.status_code
            if wait_s is None or status not in RETRIED:
                hint = "Check the address and its secret." if status in (401, 403, 404) else "Try again later."
                raise InputError(f"{_host(url)} answered {status} {exc.response.reason_phrase}.", hint) from None
        except httpx.HTTPError as exc:
            if wait_s is None:
                why = logs.mask(str(exc)) or type(exc).__name__
                raise InputError(f"{_host(url)} cannot be read: {why}.", "Check the address, or try later.") from None
        fetching.on_progress(f"waiting for {_host(url)}", 0, 0)
        time.sleep(wait_s)
    raise AssertionError("the last attempt returns or raises")


def _attempt(url: str, headers: dict[str, str], fetching: Fetching) -> str:
    timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
    context = ssl.create_default_context()  # the certificates of the machine, not only those of certifi
    # Without a transport of its own httpx uses the proxy of the environment.
    transport = None if fetching.private_hosts is None else _PublicTransport(fetching.private_hosts, context)
    with (
        httpx.Client(
            transport=transport,
            verify=context,
            headers=headers,
            timeout=timeout,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
        ) as client,
        client.stream("GET", url) as response,
    ):
        response.raise_for_status()
        # A compressed answer is counted after it was decompressed, so its length is not the total.
        is_plain = "content-encoding" not in response.headers
        total = int(response.headers.get("content-length") or 0) if is_plain else 0
        file = LimitedFile(fetching, _file_name(url), total)
        try:
            for part in response.iter_bytes(1 << 18):
                file.write(part)
        finally:
            file.close()
    return str(file.path)


def _file_name(url: str) -> str:
    """The last part of the path, with a name that is safe on disk; its ending says how to read the file."""
    name = re.sub(r"[^\w.-]|^\.+", "_", unquote(urlsplit(url).path).rsplit("/", 1)[-1])
    return name[-100:] or "download"


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the host"


class _PublicTransport(httpx.HTTPTransport):
    """Connects only to hosts whose addresses are all public, or that are allowed. Checks each redirect, too.

    Resolves a name once and connects to the checked address, so that a second answer of the name server is not used.
    """

    def __init__(self, private_hosts: tuple[str, ...], context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._private_hosts = private_hosts

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if _is_listed(host, self._private_hosts):
            return super().handle_request(request)
        address = _public_address(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # with the name of the host
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return super().handle_request(pinned)


def _is_listed(host: str, names: tuple[str, ...]) -> bool:
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in names)


def _public_address(host: str, port: int) -> str:
    """Resolves a host; returns its first address.

    Raises
    ------
    _AddressRefused
        if any of its addresses is not public.
    httpx.ConnectError
        if it has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise httpx.ConnectError(f"its name cannot be resolved ({exc})") from exc
    for *_, address in found:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if isinstance(ip, ipaddress.IPv6Address):
            ip = ip.ipv4_mapped or ip.sixtofour or ip
        if not ip.is_global or ip.is_multicast:
            raise _AddressRefused(f"{host} has an address that is not public, {ip}.")
    return str(found[0][4][0])
