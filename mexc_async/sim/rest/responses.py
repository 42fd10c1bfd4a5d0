"""HTTP responses: answers and refusals as MEXC sends them, and their damaged forms."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from aiohttp import web

from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.answers import Json

_NO_CACHE = {"Cache-Control": "no-store"}


def reply(answer: Json, status: int = 200) -> web.Response:
    """Build a JSON response."""
    return web.Response(
        body=orjson.dumps(answer), status=status, headers=_NO_CACHE, content_type="application/json", charset="utf-8"
    )


def refused(refusal: Refusal) -> web.Response:
    """Build the response to a refused request."""
    response = reply({"code": refusal.code, "msg": refusal.msg}, refusal.status)
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    return response


def page(status: int) -> web.Response:
    """Build the error page of a gateway or firewall in front of the exchange."""
    title = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
    body = f"<html>\n<head><title>{title}</title></head>\n<body><center><h1>{title}</h1></center></body>\n</html>\n"
    return web.Response(text=body, status=status, content_type="text/html")


def on_the_wire(answer: web.Response) -> bytes:
    """Encode a response as the bytes on the connection."""
    head = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    head += [f"{name}: {value}" for name, value in answer.headers.items() if name != "Content-Length"]
    return "\r\n".join([*head, f"Content-Length: {len(_body(answer))}", "", ""]).encode() + _body(answer)


def broken_off(answer: web.Response) -> bytes:
    """Encode a response without the second half of its body."""
    return on_the_wire(answer)[: -(len(_body(answer)) // 2 + 1)]


def _body(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""
