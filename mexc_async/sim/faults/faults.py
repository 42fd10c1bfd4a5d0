"""Fault injection: descriptions of faults, and the decision which of them apply.

Nothing here touches a socket or a clock. `Faults` decides with a seeded random source. The owner of the socket carries
the fault out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from random import Random
from typing import Literal, NamedTuple, TypeAlias, get_args

import msgspec

Kind: TypeAlias = Literal[
    "refuse",
    "block",
    "drop",
    "half_open",
    "expire_key",
    "skip",
    "duplicate",
    "delay",
    "reorder",
    "corrupt",
    "mute",
    "error",
    "reset",
    "truncate",
    "restart",
    "hold",
    "overtake",
    "late_answer",
    "answer_twice",
    "lag",
    "cancel_lag",
    "fill_first",
]
"""Kinds of faults.

On the stream. refuse: a connection is reset instead of accepted. block: a subscription is refused. drop: the connection
is reset. half_open: the socket stays open and sends nothing more. expire_key: the listen key expires just before a
private push. skip: a push is left out. duplicate: a push is sent twice. delay: a push and all later ones are delayed.
reorder: a push is sent after the channel's next one. corrupt: a push cannot be decoded.

On requests. mute: the request is never answered. error: the answer is a gateway's error page. reset: the connection is
reset. truncate: the answer breaks off. restart: the exchange restarts with the same book. hold: the request is
processed late. overtake: an order waits until a cancel has overtaken it. late_answer: the request is processed now and
answered late. answer_twice: the answer is sent twice. lag: lookups do not see what is new. cancel_lag: cancels do not
see what is new. fill_first: an order fills just before its cancel."""

Stage: TypeAlias = Literal["unread", "read", "processed"]
"""Progress of a request: only its headers were read; it was read and counted; it was carried out."""

BREAKING: tuple[Kind, ...] = ("drop", "half_open", "expire_key")
"""Kinds that end a stream connection."""

AT_ONCE: tuple[Kind, ...] = (*BREAKING, "restart")
"""Kinds that can also apply at once instead of at the next opportunity."""

LOSSES: tuple[Kind, ...] = ("restart", "reset", "mute", "error", "truncate")
"""Kinds that lose the answer of a request."""

_STAGED: tuple[Kind, ...] = ("restart", "reset", "mute", "error")
_STATUSES = (403, *range(500, 600))
_LONGEST_CUT = 8


class BadFault(ValueError):
    """Error for an unusable description of a fault. The message is one line."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault and the conditions under which it applies. Raises BadFault for contradictory or invalid settings."""

    kind: Kind
    on: str = "*"
    """Patterns (`*`, `?`), separated by `|`: full channel names on the stream, the path for `refuse`, and for requests
    the endpoint's name or its method and path, such as `new_order|batch_orders` or `POST *`."""
    chance: float = 1.0
    """Probability at each opportunity, from 0 to 1."""
    after: int = 0
    """Number of opportunities to pass over first."""
    times: int | None = None
    """Largest number of times that the fault applies; None for no limit."""
    delay_ms: int = 1000
    """Delay, longest wait, or age below which data is hidden, in ms; for `restart`, the time without connections."""
    at: Stage = "processed"
    """Stage of a request at which reset, mute, error and restart apply."""
    status: int = 504
    """HTTP status of `error`: 403 or 5xx."""
    part: float = 1.0
    """Share from above 0 to 1: of an order's remainder that `fill_first` fills, at least one step; or of a batch's
    orders that are placed before its answer is lost, at least one."""
    now: bool = False
    """True to apply the fault once to every matching socket, at once, without leaving a rule."""

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise BadFault(f"fault {self.kind}: chance {self.chance} is not between 0 and 1")
        if self.after < 0 or self.delay_ms < 0 or (self.times is not None and self.times < 1):
            raise BadFault(f"fault {self.kind}: after and delay_ms cannot be negative, times is at least 1")
        if self.now and self.kind not in AT_ONCE:
            raise BadFault(f"fault {self.kind}: only {', '.join(AT_ONCE)} can apply at once")
        if self.at != "processed" and self.kind not in _STAGED:
            raise BadFault(f"fault {self.kind}: only {', '.join(_STAGED)} can apply before a request is processed")
        if self.status not in _STATUSES:
            raise BadFault(f"fault {self.kind}: status {self.status} is neither 403 nor 5xx")
        if not 0 < self.part <= 1:
            raise BadFault(f"fault {self.kind}: part {self.part} is not above 0 and at most 1")


class FaultCount(msgspec.Struct, frozen=True):
    """A fault in force and its counts."""

    fault: Fault
    seen: int
    """Number of opportunities so far."""
    struck: int


def parse_fault(text: str) -> Fault:
    """Parse `KIND[,NAME=VALUE...]`, such as `skip,on=*aggre.depth*,chance=0.01`. Raises BadFault."""
    kind, *settings = text.split(",")
    if kind not in get_args(Kind):
        raise BadFault(f"fault {text!r}: {kind!r} is none of {', '.join(get_args(Kind))}")
    pairs = [(name, value) for name, _, value in (setting.partition("=") for setting in settings)]
    for name, _ in pairs:
        if name not in Fault.__struct_fields__[1:]:
            raise BadFault(f"fault {text!r}: {name!r} is none of {', '.join(Fault.__struct_fields__[1:])}")
    try:
        return msgspec.convert({"kind": kind, **dict(pairs)}, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise BadFault(f"fault {text!r}: {error}") from None


class _Rule:
    __slots__ = ("fault", "matches", "random", "seen", "struck")

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault = fault
        self.matches = matcher(fault.on)
        self.random = random
        self.seen = 0
        self.struck = 0

    def strikes(self) -> bool:
        """Count an opportunity and return True if the fault applies."""
        fault = self.fault
        self.seen += 1
        if self.seen <= fault.after or (fault.times is not None and self.struck >= fault.times):
            return False
        if fault.chance < 1 and self.random.random() >= fault.chance:
            return False
        self.struck += 1
        return True


class Faults:
    """The faults in force. Each has a random source of its own, so that no fault changes another's draws."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.random = Random(f"{seed}:faults")
        self._seed = seed
        self._added = 0
        self._rules: dict[str, list[_Rule]] = {}
        for fault in faults:
            self.add(fault)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, fault: Fault) -> None:
        """Put a fault in force beside the others. Of several that apply, the oldest wins."""
        self._added += 1
        random = Random(f"{self._seed}:fault {self._added}:{fault.kind}")
        self._rules.setdefault(fault.kind, []).append(_Rule(fault, random))

    def clear(self) -> None:
        """Remove all faults. Broken connections stay broken."""
        self._rules.clear()

    def counts(self) -> list[FaultCount]:
        """Return every fault in force with its counts."""
        return [FaultCount(rule.fault, rule.seen, rule.struck) for rules in self._rules.values() for rule in rules]

    def strikes(self, kind: Kind, *names: str) -> Fault | None:
        """Count an opportunity for each fault of this kind that matches a name; return the first fault that applies."""
        for rule in self._rules.get(kind, ()):
            if any(map(rule.matches, names)) and rule.strikes():
                return rule.fault
        return None


def matcher(patterns: str) -> Callable[[str], object]:
    """Compile the patterns of `Fault.on` into a function whose result is true for a matching name."""
    return re.compile("|".join(map(translate, patterns.split("|")))).match


class Passage(NamedTuple):
    """Result of the faults for one push on one socket."""

    frames: tuple[bytes, ...]
    delay_ms: int = 0
    broken: Kind | None = None
    """drop, half_open or expire_key if the connection is to break; None otherwise."""


class Wire:
    """The stream faults of one socket."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: dict[str, bytes] = {}
        """By channel, the push that is sent after the next one."""

    @property
    def is_holding(self) -> bool:
        """True while a push waits for the next one."""
        return bool(self._held)

    def carry(self, channel: str, frame: bytes) -> Passage:
        """Draw the faults of `frame` and return what to send."""
        strikes = self._faults.strikes
        for kind in BREAKING:
            if (kind != "expire_key" or channel.startswith("spot@private.")) and strikes(kind, channel):
                return Passage((), broken=kind)
        if strikes("skip", channel):
            return Passage(())
        if strikes("corrupt", channel):
            frame = corrupted(frame, self._faults.random)
        frames = (frame, frame) if strikes("duplicate", channel) else (frame,)
        earlier = self._held.pop(channel, None)
        if earlier is not None:
            frames = (*frames, earlier)
        elif strikes("reorder", channel):
            self._held[channel] = frame
            return Passage(())
        delay = strikes("delay", channel)
        return Passage(frames, delay.delay_ms if delay else 0)


def corrupted(frame: bytes, random: Random) -> bytes:
    """Return bytes that no decoder accepts: `frame` without its end, or 0xFF throughout."""
    if random.random() < 0.5:
        return b"\xff" * len(frame)
    return frame[: -random.randint(1, _LONGEST_CUT)]
