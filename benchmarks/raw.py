"""The floor of tick to trade: picows, protobuf's runtime in C, the raw protocol, and prepared orders."""

from __future__ import annotations

from asyncio import Future

import picows

from benchmarks.decode import parse
from benchmarks.order_subjects import Raw, order_bytes
from benchmarks.ticks import PRICES, SUBSCRIPTION, Orders

_CONNECTIONS = 200
"""Connections for orders. After half a second without CPU, all late orders go out at once and need one each.

A tick without a free connection gets no order and counts as late.
"""


class RawTrader(Raw):
    """A trader that reads both prices of a tick and writes the order prepared for its bid, in the frame's own call."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self, port: int, connections: int) -> None:
        await super().open(port, _CONNECTIONS)
        self._made = {price: order_bytes(port, price) for price in PRICES}

    async def trade(self, orders: Orders) -> None:
        binary, free, made, loop = picows.WSMsgType.BINARY, self._free, self._made, self._loop
        traded = orders.traded

        class Ticks(picows.WSListener):
            def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
                if frame.msg_type is not binary:
                    return
                ticker = parse(frame.get_payload_as_bytes()).publicAggreBookTicker
                bid = ticker.bidPrice
                if ticker.askPrice <= bid or not free:  # texts of equal length compare like numbers
                    return
                protocol = free.pop()
                protocol.answer = answer = loop.create_future()
                protocol.transport.write(made[bid])

                def answered(_: Future[bytes]) -> None:
                    free.append(protocol)
                    traded()

                answer.add_done_callback(answered)

        transport, _ = await picows.ws_connect(Ticks, self._url, use_aiofastnet=False)
        transport.send(picows.WSMsgType.TEXT, SUBSCRIPTION.encode())
        try:
            await transport.wait_disconnected()
        finally:
            transport.disconnect(graceful=False)
