"""One WebSocket conversation with MEXC, without the socket: subscriptions, acks, pings, silence and old age.

The edge reports events and their time (monotonic seconds); the session returns text frames to send and verdicts. MEXC
never refuses by the code of an ack: a channel counts as subscribed only when the answer echoes it outside a list of
refusals (reference: `control.success_rule`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from enum import Enum
from math import inf
from typing import NamedTuple

import msgspec

from mexc_async.errors import ProtocolError
from mexc_async.schema.answers import decode
from mexc_async.schema.settings import CheckedSettings, Seconds

MAX_REQUEST_BYTES = 1024
"""A longer request is split (the bound that other clients use; MEXC names none)."""
MAX_MESSAGES = 50
"""Messages in a second.

MEXC closes a socket at more than 100, and counts arrivals: messages that the network delayed for a second arrive
together with the next second's.
"""
BLOCKED = "Not Subscribed successfully!"
SUBSCRIBE, UNSUBSCRIBE = "SUBSCRIPTION", "UNSUBSCRIPTION"
_LISTS = re.compile(r"(Not Subscribed successfully!|Subscribed successful!)\s*\[([^\]]*)\]")


class Verdict(Enum):
    """Demand of the session on the edge, after a tick."""

    GO_ON = "go on"
    SILENT = "silent"
    """No frame for too long, not even a pong: drop the socket and reconnect."""
    OLD = "old"
    """The socket nears the age at which MEXC cuts it: move to a new one in good time."""


class Acknowledgement(NamedTuple):
    """Content of a control frame about channels."""

    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    reason: str = ""
    is_pong: bool = False
    is_understood: bool = True


class Timing(CheckedSettings, frozen=True):
    """Time-outs and intervals of a session, in seconds."""

    ping_s: Seconds = 20.0
    """MEXC closes a socket after a minute of silence; it asks for a ping every 15 to 30 s."""
    silence_s: Seconds = 45.0
    """No frame for so long means that two pings went unanswered: the socket is dead."""
    ack_s: Seconds = 10.0
    """A request without an answer by then is treated as lost with its socket."""
    lifetime_s: Seconds = 23.5 * 3600
    """MEXC cuts every socket after 24 hours."""
    retry_s: Seconds = 0.2
    """Pause before a lost socket is replaced; it doubles with each loss and is jittered."""
    longest_retry_s: Seconds = 30.0
    """Longest such pause; a socket that lives to its first ping resets the growth."""


class _Reply(msgspec.Struct):
    """Control frame; like every answer, decoded with numbers as text and text as numbers."""

    id: int | None = 0
    code: int = 0
    msg: str | None = None


class _Pending(NamedTuple):
    channels: tuple[str, ...]
    sent_at: float
    subscribes: bool


PING = '{"method":"PING"}'


class Session:
    """State of one socket. A new socket needs a new session."""

    def __init__(self, timing: Timing, now: float) -> None:
        self._timing = timing
        self._ids = 0
        self._waiting: dict[str, str] = {}
        """Requests that wait for the message limit: the method by channel, the last one counts."""
        self._sent: deque[float] = deque()
        """Times of the messages sent in the last second."""
        self._pending: dict[int, _Pending] = {}
        self.active: set[str] = set()
        """Channels that MEXC has accepted."""
        self.heard_at = now
        """Arrival of the last frame of any kind: the other end lives. The edge sets it for frames that hold pushes."""
        self._pinged_at = now
        self._began_at = now
        self._ends_at = now + timing.lifetime_s
        self.pings_unanswered = 0

    def __repr__(self) -> str:
        return f"Session({len(self.active)} active, {len(self._pending)} requests under way)"

    def subscribe(self, channels: Iterable[str], now: float) -> list[str]:
        """Return the frames that subscribe these channels, as many as may be sent now; `tick` returns the rest."""
        return self._ask(SUBSCRIBE, channels, now)

    def unsubscribe(self, channels: Iterable[str], now: float) -> list[str]:
        """Return the frames that unsubscribe these channels, as many as may be sent now; they are inactive at once."""
        channels = tuple(channels)
        self.active.difference_update(channels)
        for number, pending in self._pending.items():  # pending subscriptions of these channels are void
            left = tuple(channel for channel in pending.channels if channel not in channels)
            self._pending[number] = pending._replace(channels=left)
        return self._ask(UNSUBSCRIBE, channels, now)

    def _ask(self, method: str, channels: Iterable[str], now: float) -> list[str]:
        for channel in channels:
            self._waiting.pop(channel, None)
            self._waiting[channel] = method
        return self._due(now)

    def _due(self, now: float) -> list[str]:
        """Return the waiting requests, as many as may be sent now."""
        frames = []
        while self._sent and self._sent[0] + 1.0 <= now:
            self._sent.popleft()
        while self._waiting and len(self._sent) < MAX_MESSAGES:
            method, part = self._next_request()
            self._ids += 1
            self._pending[self._ids] = _Pending(part, now, method == SUBSCRIBE)
            self._sent.append(now)
            frames.append(_frame(method, part, self._ids))
        return frames

    def _next_request(self) -> tuple[str, tuple[str, ...]]:
        """Take the channels of the next request from the waiting ones: at least one, and no more than fit."""
        part: list[str] = []
        method = next(iter(self._waiting.values()))
        for channel, its_method in self._waiting.items():
            is_full = part and len(_frame(method, (*part, channel), 10**6).encode()) > MAX_REQUEST_BYTES
            if its_method != method or is_full:
                break
            part.append(channel)
        for channel in part:
            del self._waiting[channel]
        return method, tuple(part)

    def receive(self, text: str, now: float) -> Acknowledgement:
        """Process a control frame."""
        self.heard_at = now
        try:
            reply, _ = decode(_Reply, text.encode())
        except ProtocolError:
            return Acknowledgement(reason=text, is_understood=False)  # such as the bare words "Invalid listen key"
        if (reply.msg or "").upper() in ("PONG", "SUCCESS"):
            self.pings_unanswered = max(self.pings_unanswered - 1, 0)
            return Acknowledgement(is_pong=True)
        pending = self._pending.pop(reply.id or 0, None) or self._pending_by_names(reply.msg or "")
        if pending is None:
            return Acknowledgement(reason=text, is_understood=False)
        if not pending.subscribes:
            return Acknowledgement()
        accepted, refused, reason = _read_ack(pending.channels, reply)
        self.active.update(accepted)
        return Acknowledgement(accepted, refused, reason)

    def _pending_by_names(self, text: str) -> _Pending | None:
        """Return the request that an answer without id is about: the oldest that it names, or of all if it is blank."""
        lists = [names for _, names in _LISTS.findall(text)] or [text]
        named = {name for names in lists for name in _names(names)}
        for number, pending in self._pending.items():
            if not text or not named.isdisjoint(pending.channels):
                return self._pending.pop(number)
        return None

    def ping(self, now: float) -> str:
        """Return a ping, out of turn."""
        self._pinged_at = now
        self._sent.append(now)
        self.pings_unanswered += 1
        return PING

    def tick(self, now: float) -> tuple[list[str], Verdict]:
        """Let time pass; return frames to send, and whether to replace the socket."""
        timing = self._timing
        lost = any(now - pending.sent_at >= timing.ack_s for pending in self._pending.values())
        if lost or now - self.heard_at >= timing.silence_s:
            return [], Verdict.SILENT
        frames = self._due(now)
        if now - self._pinged_at >= timing.ping_s:
            frames.append(self.ping(now))
        return frames, Verdict.OLD if now >= self._ends_at else Verdict.GO_ON

    def age(self, now: float) -> float:
        """Return the seconds since the socket was opened."""
        return now - self._began_at

    def postpone(self, seconds: float, now: float) -> None:
        """Delay the verdict OLD: there is no new socket yet."""
        self._ends_at = now + seconds

    def next_tick(self) -> float:
        """Return the time of the next useful `tick`."""
        timing = self._timing
        request = self._sent[0] + 1.0 if self._waiting else inf
        acks: float = min((pending.sent_at + timing.ack_s for pending in self._pending.values()), default=inf)
        due = (request, self._pinged_at + timing.ping_s, self.heard_at + timing.silence_s, self._ends_at, acks)
        return min(due)


class Backoff:
    """Growing, jittered pauses between attempts to connect."""

    def __init__(self, first_s: float = 0.2, longest_s: float = 30.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.failures = 0

    def pause(self, jitter: float) -> float:
        """Return the seconds before the next attempt; `jitter` is random in [0, 1)."""
        pause = min(self._first_s * 2.0 ** min(self.failures, 20), self._longest_s)
        self.failures += 1
        return pause * (0.5 + jitter / 2)

    def succeeded(self) -> None:
        """Return to short pauses."""
        self.failures = 0


def _frame(method: str, channels: tuple[str, ...], number: int) -> str:
    return msgspec.json.encode({"method": method, "params": channels, "id": number}).decode()


def _read_ack(channels: tuple[str, ...], reply: _Reply) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return (accepted, refused, reason) of a subscription request."""
    text = reply.msg or ""
    if reply.code != 0:
        return (), channels, f"code {reply.code}: {text}"
    if not text:  # subscribed on this socket already
        return channels, (), ""
    refused: set[str] = set()
    echoed: set[str] = set()
    for words, names in _LISTS.findall(text):
        (refused if words == BLOCKED else echoed).update(_names(names))
    if not echoed and not refused:
        echoed = _names(text)
    accepted = tuple(channel for channel in channels if channel in echoed and channel not in refused)
    rest = tuple(channel for channel in channels if channel not in accepted)
    _, _, reason = text.rpartition("Reason")
    return accepted, rest, reason.strip(" :：!") if refused else "the answer does not name it" if rest else ""


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",")}
