"""The least that an HTTP/1.1 server on h11 and trio can do: read a request, answer so many bytes.

python -m bench.echo ANSWER_BYTES        # prints its port, serves until it is killed
"""

from __future__ import annotations

import sys

import h11
import trio

RECEIVE_BYTES = 64 * 1024


async def serve(answer: bytes) -> None:
    """Print the port, and answer every request on any connection."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    sys.stdout.write(f"{listeners[0].socket.getsockname()[1]}\n")
    sys.stdout.flush()

    async def handle(stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(RECEIVE_BYTES))
            elif isinstance(event, h11.EndOfMessage):
                head = h11.Response(
                    status_code=200,
                    headers=[
                        ("Content-Type", "application/json"),
                        ("Content-Length", str(len(answer))),
                    ],
                )
                data = connection.send(head) or b""
                data += connection.send(h11.Data(data=answer)) or b""
                data += connection.send(h11.EndOfMessage()) or b""
                await stream.send_all(data)
                connection.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                return

    await trio.serve_listeners(handle, listeners)


if __name__ == "__main__":
    trio.run(serve, b"x" * int(sys.argv[1]))
