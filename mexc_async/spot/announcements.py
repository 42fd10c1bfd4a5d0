"""Announcements of the exchange, such as listings. MEXC's page "Announcements"."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Cost, Request, Resource, Route, call
from mexc_async.schema.fields import MaybeText, MaybeTimeMs
from mexc_async.schema.validation import Rule, between, matching
from mexc_async.spot.models import Answer, Wrapped
from mexc_async.spot.parameters import Count

Language: TypeAlias = Annotated[str, Rule(matching("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})+", "a locale, such as en-US"))]


def _multiple_of_5(name: str, value: object) -> None:
    between(5, 100)(name, value)
    if int(str(value)) % 5:
        raise InvalidRequest(f"{name} {value} must be a multiple of 5")


class Announcement(Answer, frozen=True, kw_only=True):
    """One announcement."""

    title: str
    url: str
    language: MaybeText = None
    post_time: MaybeTimeMs = None


class AnnouncementPage(Answer, frozen=True, kw_only=True):
    """One page of announcements."""

    list_field: ClassVar[str] = "details"
    details: list[Announcement]
    total_page: int | None = None


class AnnouncementsQuery(Request[Wrapped[list[AnnouncementPage]]], frozen=True, kw_only=True):
    """List announcements, 20 per page by default, 100 at most; `data` holds one page. 5 requests per 2 seconds."""

    route = Route("GET", "/api/v3/announcements", costs=(Cost("ip"), Cost("announcements")), safe=True)
    language: Language | None = None
    page: Count | None = None
    limit: Annotated[int, Rule(_multiple_of_5)] | None = None


class Announcements(Resource):
    """Endpoints of announcements."""

    announcements = call(AnnouncementsQuery)
