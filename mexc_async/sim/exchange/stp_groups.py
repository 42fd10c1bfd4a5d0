"""Self-trade prevention groups: accounts whose orders must not trade with each other."""

from __future__ import annotations

from collections.abc import Iterable

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.refusals import Refusal

MAX_GROUPS = 10
_FIRST_GROUP = 91


class StpGroup:
    """One group."""

    def __init__(self, group_id: int, owner: str, name: str, now_ms: int) -> None:
        self.group_id = group_id
        self.owner = owner
        self.name = name
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.uids: dict[str, None] = {}


class StpGroups:
    """The groups of all accounts."""

    def __init__(self) -> None:
        self._groups: dict[int, StpGroup] = {}
        self._next_id = _FIRST_GROUP

    def create(self, owner: str, name: str, now_ms: int) -> StpGroup:
        """Create a group. Raises Refusal for a name that the owner has used, or an eleventh group."""
        owned = [group for group in self._groups.values() if group.owner == owner]
        if any(group.name == name for group in owned):
            raise Refusal(assumptions.DUPLICATE_GROUP, "Parameter error: tradeGroupName exists.")
        if len(owned) >= MAX_GROUPS:
            raise Refusal(assumptions.TOO_MANY_GROUPS, "Operation not supported: at most 10 groups.")
        group = self._groups[self._next_id] = StpGroup(self._next_id, owner, name, now_ms)
        self._next_id += 1
        return group

    def named(self, owner: str, name: str) -> list[StpGroup]:
        """Return the owner's groups of this name."""
        return [group for group in self._groups.values() if group.owner == owner and group.name == name]

    def delete(self, owner: str, group_id: int) -> None:
        """Delete a group. Raises Refusal 22222 if the owner has no such group."""
        del self._groups[self._owned(owner, group_id).group_id]

    def add(self, owner: str, group_id: int, uids: Iterable[str], now_ms: int) -> StpGroup:
        """Add members to a group. Raises Refusal 22222 if the owner has no such group."""
        group = self._owned(owner, group_id)
        group.uids.update(dict.fromkeys(uids))
        group.updated_ms = now_ms
        return group

    def remove(self, owner: str, group_id: int, uids: Iterable[str], now_ms: int) -> None:
        """Remove members from a group, if they are in it. Raises Refusal 22222 if the owner has no such group."""
        group = self._owned(owner, group_id)
        for uid in uids:
            group.uids.pop(uid, None)
        group.updated_ms = now_ms

    def mates(self, uid: str) -> frozenset[str]:
        """Return the uids that count as `uid` itself: its own and its group mates'; empty without a group."""
        groups = [group for group in self._groups.values() if uid == group.owner or uid in group.uids]
        if not groups:
            return frozenset()
        return frozenset({uid}.union(*(group.uids for group in groups if uid in group.uids)))

    def _owned(self, owner: str, group_id: int) -> StpGroup:
        group = self._groups.get(group_id)
        if group is None or group.owner != owner:
            raise Refusal(assumptions.UNKNOWN_GROUP, "The group does not exist.")
        return group
