"""Responses as MEXC sends them: answers, refusals, and the error pages of a gateway."""

from __future__ import annotations

from http import HTTPStatus

import orjson

from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.faults.request_faults import NOT_FOUND
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.http import Response


def reply(answer: Json, status: int = 200) -> Response:
    """Build a JSON response."""
    headers = {"Cache-Control": "no-store", "Content-Type": "application/json; charset=utf-8"}
    return Response(orjson.dumps(answer), status, headers)


def refused(refusal: Refusal) -> Response:
    """Build the response to a refused request."""
    response = reply({"code": refusal.code, "msg": refusal.msg}, refusal.status)
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    return response


def page(status: int) -> Response:
    """Build the error page of a gateway or firewall in front of the exchange."""
    title = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
    body = f"<html>\n<head><title>{title}</title></head>\n<body><center><h1>{title}</h1></center></body>\n</html>\n"
    return Response(body.encode(), status, {"Content-Type": "text/html; charset=utf-8"})


def is_fair(answer: Response) -> bool:
    """Return True if who gets another's answer can detect that: it names its order, or says that no order exists."""
    if answer.status < 400:
        return True
    try:
        content = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(content, dict) and content.get("code") in NOT_FOUND
