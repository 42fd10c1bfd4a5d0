# What the whole core rests on and no public interface promises, tried at import. Where it does not hold, the core does
# not load and the pure one does the work. What only a part rests on is tried beside that part: the clock, SHA-256, Decimal.

from msgspec import defstruct as _defstruct, __version__ as _msgspec_version


cdef bint _structs_are_known() except -1:
    """Return True if a Struct holds its slots and nothing else. Compares Structs filled here with ordinary ones."""
    cdef Py_ssize_t first_at, second_at
    cdef PyObject* filled
    for has_cycles in (False, True):
        struct = _defstruct("Probe", [("first", object), ("second", object, None)], frozen=True, gc=has_cycles)
        first_at, second_at = slot_offset(struct.first), slot_offset(struct.second)
        if <size_t>struct.__basicsize__ != sizeof(_Object) + 2 * sizeof(void*) or has_gc(struct) != has_cycles:
            return False
        if {first_at, second_at} != {sizeof(_Object), sizeof(_Object) + sizeof(void*)}:
            return False
        first, second, other = ("first",), ("second",), ("other",)
        expected, expected_later = struct(first, second), struct(first, other)
        if _field(expected, first_at) != <PyObject*>first or _field(expected, second_at) != <PyObject*>second:
            return False
        filled = alloc(<PyObject*>struct, 0)
        Py_INCREF(<PyObject*>first)
        set_slot(filled, first_at, <PyObject*>first)
        Py_INCREF(<PyObject*>second)
        set_slot(filled, second_at, <PyObject*>second)
        made = <object>filled
        Py_DECREF(filled)
        if made != expected or hash(made) != hash(expected):
            return False
        changed = made.__copy__()
        _replace(changed, second_at, other)
        if changed != expected_later or hash(changed) != hash(expected_later) or made != expected:
            return False
    return True


cdef bint _levels_are_known() except -1:
    """Return True if a level of a book can be filled like a tuple."""
    made, expected = _book_level("1", "2"), _BookLevel("1", "2")
    return type(made) is _BookLevel and made == expected and hash(made) == hash(expected) and len(made) == 2


if not _structs_are_known():
    raise ImportError(f"Structs of msgspec {_msgspec_version} hold more than their slots, or not in them")
if not _levels_are_known():
    raise ImportError("tuples are laid out otherwise than known")
