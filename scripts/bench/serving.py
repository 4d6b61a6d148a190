"""How the programs we compare with are served: uvicorn on a free port of 127.0.0.1, saying when ready."""

import socket

import uvicorn


def say_ready_and_run(config: uvicorn.Config) -> None:
    """Serve until interrupted; prints `ready on ADDRESS`.

    The socket names TCP: asyncio sets TCP_NODELAY only on sockets that do, and without it every answer of
    two writes waits for 40 ms.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        print(f"ready on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])
