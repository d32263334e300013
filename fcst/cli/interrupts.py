"""Cancels running SQL statements on Ctrl-C.

Python handles no signal while libpq waits for the server's answer. Without this module, Ctrl-C could not stop a command
that deletes a million items.
"""

import signal
import socket
import threading


def cancel_statements_on_interrupt() -> None:
    """On each SIGINT, cancel this process's statements on the server; Python then raises KeyboardInterrupt."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())

    def watch() -> None:
        with writer:  # keeps the writer open while this thread reads
            while signals := reader.recv(64):
                if signal.SIGINT in signals:
                    from fcst.services.supervision import cancel_statements

                    cancel_statements()

    threading.Thread(target=watch, name="interrupts", daemon=True).start()
