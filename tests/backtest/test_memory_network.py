"""Connections in memory behave as those of asyncio over real sockets: every case runs on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from mexc_async.backtest.memory_network import HOST, MemoryNetwork

LARGE = 4 << 20
LIMIT_S = 30.0


class End(asyncio.Protocol):
    """Protocol that keeps what happens to it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.told: list[str] = []
        self.changed = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.changed.set()

    def eof_received(self) -> None:
        self.tell("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.tell(f"lost {type(exc).__name__}" if exc else "lost")

    def pause_writing(self) -> None:
        self.tell("pause")

    def resume_writing(self) -> None:
        self.tell("resume")

    def tell(self, text: str) -> None:
        self.told.append(text)
        self.changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()


class Connect(Protocol):
    async def __call__(self) -> tuple[End, End]: ...


@pytest.fixture(params=["memory", "sockets"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    servers: list[End] = []
    has_accepted = asyncio.Event()

    def accept() -> End:
        servers.append(End())
        has_accepted.set()
        return servers[-1]

    loop = asyncio.get_running_loop()
    if request.param == "memory":
        network = MemoryNetwork()
        network.listen(7, accept)

        async def by_memory() -> tuple[End, End]:
            client = await network.dial(End, HOST, 7)
            assert isinstance(client, End)
            return client, servers[-1]

        yield by_memory
        return
    server = await loop.create_server(accept, HOST, 0)
    port = server.sockets[0].getsockname()[1]

    async def by_sockets() -> tuple[End, End]:
        _, client = await loop.create_connection(End, HOST, port)
        async with asyncio.timeout(LIMIT_S):
            await has_accepted.wait()
        return client, servers[-1]

    yield by_sockets
    server.close()
    for each in servers:
        each.transport.abort()


async def test_bytes_arrive_in_order_in_both_directions(connect: Connect) -> None:
    client, server = await connect()
    for number in range(100):
        client.transport.write(b"%d " % number)
        server.transport.writelines([b"<", b"%d" % number, b">"])
    await server.until(lambda: server.got.endswith(b"99 "))
    await client.until(lambda: client.got.endswith(b"<99>"))
    assert server.got.split() == [b"%d" % number for number in range(100)]
    client.transport.abort()


async def test_bytes_never_arrive_inside_the_write(connect: Connect) -> None:
    client, server = await connect()
    client.transport.write(b"now?")
    assert not server.got
    await server.until(lambda: bool(server.got))
    client.transport.abort()


async def test_what_was_written_before_a_close_arrives(connect: Connect) -> None:
    client, server = await connect()
    client.transport.write(b"x" * LARGE)
    client.transport.close()
    assert client.transport.is_closing()
    await server.until(lambda: "lost" in server.told)
    assert (len(server.got), server.told) == (LARGE, ["eof", "lost"])
    await client.until(lambda: "lost" in client.told)
    assert client.told[-1] == "lost"


async def test_an_abort_ends_both_ends_once(connect: Connect) -> None:
    client, server = await connect()
    client.transport.abort()
    client.transport.abort()
    client.transport.close()
    await client.until(lambda: bool(client.told))
    await server.until(lambda: any(each.startswith("lost") for each in server.told))
    await asyncio.sleep(0)
    assert client.told == ["lost"]
    assert sum(each.startswith("lost") for each in server.told) == 1


async def test_a_reader_that_pauses_holds_its_writer_back(connect: Connect) -> None:
    client, server = await connect()
    server.transport.pause_reading()
    written = 0
    while "pause" not in client.told:
        client.transport.write(b"x" * 65_536)
        written += 65_536
        await asyncio.sleep(0)
    assert client.transport.get_write_buffer_size() > 0
    server.transport.resume_reading()
    await client.until(lambda: "resume" in client.told)
    await server.until(lambda: len(server.got) == written)
    assert client.told == ["pause", "resume"]
    client.transport.abort()


async def test_a_protocol_may_change_on_the_way(connect: Connect) -> None:
    client, server = await connect()
    other = End()
    server.transport.set_protocol(other)
    assert server.transport.get_protocol() is other
    client.transport.write(b"for the other")
    await other.until(lambda: bool(other.got))
    assert not server.got
    client.transport.abort()


async def test_a_protocol_that_raises_loses_its_connection(connect: Connect) -> None:
    client, server = await connect()
    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, words: failures.append(str(words["exception"])))

    def fail(data: bytes) -> None:
        raise ValueError("cannot read this")

    server.data_received = fail  # type: ignore[method-assign]  # the one way to make this one fail
    client.transport.write(b"x")
    await client.until(lambda: any(each.startswith("lost") for each in client.told))
    assert failures == ["cannot read this"]


async def test_nobody_listens_at_another_port_or_host() -> None:
    network = MemoryNetwork()
    network.listen(7, End)
    for host, port in ((HOST, 8), ("192.0.2.1", 7)):
        with pytest.raises(ConnectionRefusedError):
            await network.dial(End, host, port)
    with pytest.raises(OSError, match="in use"):
        network.listen(7, End)
    network.close(7)
    with pytest.raises(ConnectionRefusedError):
        await network.dial(End, HOST, 7)


async def test_a_reset_says_so_to_the_other_end_which_loses_what_it_did_not_read() -> None:
    network, servers = MemoryNetwork(), list[End]()

    def accept() -> End:
        servers.append(End())
        return servers[-1]

    network.listen(7, accept)
    client = await network.dial(End, HOST, 7)
    assert isinstance(client, End)
    client.transport.write(b"lost")
    client.transport.abort()
    servers[0].transport.pause_reading()
    await servers[0].until(lambda: bool(servers[0].told))
    assert (servers[0].told, bytes(servers[0].got)) == (["lost ConnectionResetError"], b"")
