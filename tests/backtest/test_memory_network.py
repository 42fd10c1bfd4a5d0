"""Connections in memory behave as those of asyncio over real sockets: every case runs on both."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Protocol

import pytest

from mexc_async.backtest.memory_network import HOST, MemoryNetwork
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_process import VirtualProcess
from mexc_async.runtime.virtual_run import run_virtual

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


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "unread"])
async def test_connection_of_a_killed_process_ends_as_the_system_ends_it(is_read: bool) -> None:
    """The other end gets what was written; then a close, or a reset if the killed process left data unread."""

    def accept() -> End:
        servers.append(End())
        return servers[-1]

    async def by_memory() -> None:
        network = MemoryNetwork()
        network.listen(7, accept)
        client = await network.dial(End, HOST, 7)
        assert isinstance(client, End)
        client.transport.pause_reading()
        servers[0].transport.write(b"answer")
        if is_read:
            client.transport.resume_reading()
            await client.until(lambda: bool(client.got))
        client.transport.write(b"order")
        (own, _) = network.open_ends(asyncio.get_running_loop())
        own.drop()
        own.drop()
        await asyncio.sleep(0.01)
        assert client.told == []
        assert network.open_ends(asyncio.get_running_loop()) == []

    async def by_sockets() -> None:
        server = await asyncio.get_running_loop().create_server(accept, HOST, 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            while not servers:  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0.01)
            servers[0].transport.write(b"answer")
            assert client.recv(100 if is_read else 1) == (b"answer" if is_read else b"a")
            client.send(b"order")
        await servers[0].until(lambda: any(each.startswith("lost") for each in servers[0].told))
        server.close()

    seen = []
    for way in (by_memory, by_sockets):
        servers = list[End]()
        await way()
        seen.append((bytes(servers[0].got), servers[0].told))
    assert seen == [(b"order", ["eof", "lost"] if is_read else ["lost ConnectionResetError"])] * 2


# Between loops

OWNER = ContextVar("OWNER", default="")


class OwnEnd(End):
    """Protocol that tells if it runs in another loop, or in another context, than that in which it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.home = asyncio.get_running_loop(), OWNER.get()
        self.context = copy_context()

    def write(self, data: bytes) -> None:
        self.home[0].call_soon(self.transport.write, data, context=self.context)

    def tell(self, text: str) -> None:
        at_home = (asyncio.get_running_loop(), OWNER.get()) == self.home
        super().tell(text if at_home else f"{text} elsewhere")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.tell("made")

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if "data" not in self.told[-1]:
            self.tell("data")


class Between:
    """A server in the first loop of a virtual time, and a client in a process beside it."""

    def __init__(self, loop: VirtualLoop) -> None:
        OWNER.set("server")
        self.network = MemoryNetwork()
        self.servers: list[OwnEnd] = []
        self.clients: list[OwnEnd] = []
        self.network.listen(7, self.accept)
        self.process = VirtualProcess(loop, self.work, 1, self.network.drop)
        self.process.start()

    def accept(self) -> OwnEnd:
        self.servers.append(OwnEnd())
        return self.servers[-1]

    async def work(self) -> None:
        OWNER.set("client")
        client = await self.network.dial(OwnEnd, HOST, 7)
        assert isinstance(client, OwnEnd)
        self.clients.append(client)
        await asyncio.sleep(1000)


def between(
    scenario: Callable[[Between, VirtualLoop], Coroutine[Any, Any, None]],
    on_error: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None,
) -> None:
    loop = VirtualLoop(0, 7)
    loop.set_exception_handler(on_error)

    async def main() -> None:
        world = Between(loop)
        await asyncio.sleep(1)
        await scenario(world, loop)
        world.process.bury()

    run_virtual(main(), loop)


def test_each_end_runs_in_its_own_loop_and_context() -> None:
    async def scenario(world: Between, loop: VirtualLoop) -> None:
        (client,), (server,) = world.clients, world.servers
        assert client.home == (world.process.loop, "client")
        assert server.home == (loop, "server")
        assert len(world.network.open_ends(loop)) == len(world.network.open_ends(world.process.loop)) == 1
        for one, other in ((client, server), (server, client)):
            one.write(b"x" * LARGE)
            await asyncio.sleep(1)
            assert len(other.got) == LARGE
        server.transport.close()
        await asyncio.sleep(1)
        assert client.told == ["made", "pause", "resume", "data", "eof", "lost"]
        assert server.told == ["made", "data", "pause", "resume", "lost"]
        assert world.network.open_ends(loop) == world.network.open_ends(world.process.loop) == []

    between(scenario)


@pytest.mark.parametrize("by", ["client", "server"])
def test_reset_is_told_to_each_end_in_its_own_loop(by: str) -> None:
    async def scenario(world: Between, loop: VirtualLoop) -> None:
        ends = {"client": world.clients[0], "server": world.servers[0]}
        own = ends.pop(by)
        (other,) = ends.values()
        own.home[0].call_soon(own.transport.abort, context=own.context)
        await asyncio.sleep(1)
        assert own.told == ["made", "lost"]
        assert other.told == ["made", "lost ConnectionResetError"]

    between(scenario)


@pytest.mark.parametrize("is_over", ["closed", "aborted", "written to"])
def test_what_the_other_end_does_after_a_burial_harms_nobody(is_over: str) -> None:
    async def scenario(world: Between, loop: VirtualLoop) -> None:
        (client,), (server,) = world.clients, world.servers
        client.write(b"order")
        await asyncio.sleep(0)
        world.process.kill()
        world.process.bury()
        assert not server.got
        if is_over == "closed":
            server.transport.close()
        elif is_over == "aborted":
            server.transport.abort()
        else:
            server.transport.write(b"x" * LARGE)
        await asyncio.sleep(1)
        assert server.told[-1].startswith("lost")
        assert world.network.open_ends(loop) == []

    failures: list[object] = []
    between(scenario, lambda _, words: failures.append(words))
    assert failures == []


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "unread"])
def test_killed_process_ends_its_connections_for_the_other_end_only(is_read: bool) -> None:
    async def scenario(world: Between, loop: VirtualLoop) -> None:
        (client,), (server,) = world.clients, world.servers
        client.write(b"order")
        await asyncio.sleep(0)
        server.transport.write(b"answer")
        if is_read:
            await asyncio.sleep(1)
        world.process.kill()
        server.transport.write(b"too late")
        await asyncio.sleep(1)
        assert server.got == b"order"
        assert server.told[2:] == (["eof", "lost"] if is_read else ["lost ConnectionResetError"])
        assert client.told == (["made", "data"] if is_read else ["made"])
        assert world.network.open_ends(loop) == []

    between(scenario)


def test_process_that_ends_by_itself_leaves_no_connection() -> None:
    async def scenario(world: Between, loop: VirtualLoop) -> None:
        world.process.interrupt()
        await asyncio.wait([world.process.ended])
        await asyncio.sleep(1)
        assert world.servers[0].told == ["made", "eof", "lost"]

    between(scenario)


def test_frozen_process_gets_what_arrived_when_it_goes_on() -> None:
    async def scenario(world: Between, loop: VirtualLoop) -> None:
        (client,), (server,) = world.clients, world.servers
        world.process.freeze(5)
        server.transport.write(b"x" * LARGE)
        server.transport.close()
        await asyncio.sleep(4.9)
        assert (client.told, server.told) == (["made"], ["made", "pause", "lost"])
        await asyncio.sleep(1)
        assert len(client.got) == LARGE
        assert client.told == ["made", "data", "eof", "lost"]

    between(scenario)


def test_connect_that_is_given_up_or_killed_leaves_the_server_nothing() -> None:
    async def scenario(world: Between, loop: VirtualLoop) -> None:
        async def connect() -> None:
            dialling = asyncio.create_task(world.network.dial(OwnEnd, HOST, 7))
            asyncio.get_running_loop().call_soon(dialling.cancel)
            await asyncio.wait([dialling])
            assert dialling.cancelled()
            await world.network.dial(OwnEnd, HOST, 7)

        process = VirtualProcess(loop, connect, 2, world.network.drop)
        process.start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        process.kill()
        await asyncio.sleep(1)
        assert [each.told for each in world.servers[1:]] == [["made", "eof", "lost"]] * (len(world.servers) - 1)
        assert len(world.network.open_ends(loop)) == 1

    between(scenario)
