"""Load from a process of its own, over keep-alive connections: as fast as they are answered, or at a fixed rate."""

import asyncio
import json
import random
import statistics
import sys
import time


async def _one(host: str, port: int, request: bytes, until: float, pause: float, times: list[float]) -> int:
    """One connection; ``pause``: seconds from the start of a request to that of the next, 0 for none."""
    reader, writer = await asyncio.open_connection(host, port)
    bad, due = 0, time.perf_counter() + pause * random.random()
    while time.perf_counter() < until:
        if pause:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += pause
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        at = lower.find(b"content-length:")
        await reader.readexactly(int(lower[at + 15 :].split(b"\r\n", 1)[0]))
        times.append(time.perf_counter() - began)
        bad += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return bad


async def main(host: str, port: int, key: str, connections: int, seconds: float, rate: float) -> None:
    """Run the load and print what came of it, as JSON. ``rate``: requests a second over all connections, 0 for no limit."""
    content = "word " * 70
    body = json.dumps(
        {"model": "bench", "messages": [{"role": "user", "content": content}], "apostille": {"receipt": "id"}}
    ).encode()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    times: list[float] = []
    began = time.perf_counter()
    pause = connections / rate if rate else 0.0
    bad = await asyncio.gather(*(_one(host, port, request, began + seconds, pause, times) for _ in range(connections)))
    took = time.perf_counter() - began
    print(
        json.dumps(
            {"requests": len(times), "seconds": took, "bad": sum(bad), "p50_ms": statistics.median(times) * 1000}
        ),
        flush=True,
    )


if __name__ == "__main__":
    import uvloop

    uvloop.run(
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6]))
    )
