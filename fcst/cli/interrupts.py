"""Ctrl-C while the database works.

libpq waits for the server's answer, and Python acts on no signal until that is there: a command that deletes a million
items could not be stopped.
"""

import signal
import socket
import threading


def reach_statements() -> None:
    """From now on SIGINT breaks off what the server does for this process; then Python raises KeyboardInterrupt."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())

    def wait() -> None:
        with writer:  # open as long as this thread reads
            while numbers := reader.recv(64):
                if signal.SIGINT in numbers:
                    from fcst.services.supervision import break_off_statements

                    break_off_statements()

    threading.Thread(target=wait, name="interrupts", daemon=True).start()
