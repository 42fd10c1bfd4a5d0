# Protobuf reader, by the tables of `protobuf.py`. The pure reader handles everything malformed or unusual, and raises:
# a message counts only if it reads here from end to end.

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

cdef extern from *:
    """
    #include "structmember.h"
    /* Where a slot of a class has its value; TypeError if this is no slot's descriptor. */
    static Py_ssize_t slot_offset(PyObject *descriptor)
    {
        if (Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) {
            PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
            if (member->type == T_OBJECT_EX && member->offset > 0) return member->offset;
        }
        PyErr_SetString(PyExc_TypeError, "the field of a Struct is no slot");
        return -1;
    }
    static int has_gc(PyObject *type) { return PyType_IS_GC((PyTypeObject *)type); }
    static PyObject *alloc(PyObject *type, Py_ssize_t items)
    {
        return ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, items);
    }
    static void set_slot(PyObject *object, Py_ssize_t offset, PyObject *value)
    {
        *(PyObject **)((char *)object + offset) = value;
    }
    """
    Py_ssize_t slot_offset(object descriptor) except -1
    bint has_gc(object type)
    PyObject* alloc(PyObject* type, Py_ssize_t items) except NULL
    void set_slot(PyObject* object, Py_ssize_t offset, PyObject* value)

cdef extern from "Python.h":
    void Py_INCREF(PyObject*)
    void Py_DECREF(PyObject*)
    void Py_XDECREF(PyObject*)
    PyObject* Py_True
    PyObject* Py_False
    PyObject* new_ascii "PyUnicode_New"(Py_ssize_t size, Py_UCS4 highest) except NULL
    unsigned char* ascii_of "PyUnicode_1BYTE_DATA"(PyObject* text)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject*)
    PyObject* PyUnicode_DecodeUTF8(const char*, Py_ssize_t, const char*)
    PyObject* PyLong_FromLongLong(long long) except NULL
    PyObject* PyTuple_New(Py_ssize_t) except NULL
    void PyTuple_SET_ITEM(PyObject*, Py_ssize_t, PyObject*)
    PyObject* PyDict_GetItem(PyObject*, PyObject*)
    PyObject* PyObject_Vectorcall(PyObject*, PyObject**, size_t, PyObject*) except NULL
    void PyErr_Clear()

ctypedef const uint8_t* Bytes

cdef enum:
    TEXT, INT64, INT32, BOOL, NAMED, MANY, ONE  # as `Kind` has them
    VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5
    UNUSUAL = -1
    MOST_FIELDS = 64
    REMEMBERED = 64

cdef struct Entry:
    uint32_t tag
    int position
    int kind
    PyObject* detail  # the Reader of a message, or the Names of an enum


cdef Bytes _varint(Bytes at, Bytes end, int longest, uint64_t* value) noexcept:
    """Read a number; return its end, or NULL."""
    cdef int shift = 0
    value[0] = 0
    while at < end and shift < 7 * longest:
        value[0] |= (<uint64_t>(at[0] & 127)) << shift
        if at[0] < 128:
            return at + 1
        at += 1
        shift += 7
    return NULL


cdef inline Bytes _small(Bytes at, Bytes end, uint64_t* value) noexcept:
    """Read a tag or a size; return its end, or NULL."""
    if at < end and at[0] < 128:
        value[0] = at[0]
        return at + 1
    return _varint(at, end, 5, value)


cdef inline bint _is_ascii(Bytes at, Py_ssize_t size) noexcept:
    cdef uint64_t eight
    while size >= 8:
        memcpy(&eight, at, 8)
        if eight & 0x8080808080808080ULL:
            return False
        at += 8
        size -= 8
    while size > 0:
        size -= 1
        if at[size] > 127:
            return False
    return True


cdef inline PyObject* _text(Bytes at, Py_ssize_t size) except? NULL:
    """Make a text, a new reference; NULL if it is not UTF-8."""
    cdef PyObject* text
    if size > 1 and _is_ascii(at, size):
        text = new_ascii(size, 127)
        memcpy(ascii_of(text), at, size)
        return text
    text = PyUnicode_DecodeUTF8(<const char*>at, size, NULL)  # Python caches the short ones
    if text == NULL:
        PyErr_Clear()
    return text


cdef Bytes _skipped(uint64_t tag, Bytes at, Bytes end) noexcept:
    """Return the end of an unknown field, or NULL."""
    cdef uint64_t size
    cdef int wire_type = tag & 7
    if not 0 < tag >> 3 < 1 << 29:
        return NULL
    if wire_type == VARINT:
        return _varint(at, end, 10, &size)
    if wire_type == DELIMITED:
        at = _small(at, end, &size)
        if at == NULL:
            return NULL
    elif wire_type == FIXED64 or wire_type == FIXED32:
        size = 8 if wire_type == FIXED64 else 4
    else:
        return NULL
    return at + size if size <= <uint64_t>(end - at) else NULL


cdef void* _room(size_t count, size_t size) except NULL:
    cdef void* room = PyMem_Calloc(count + 1, size)
    if room == NULL:
        raise MemoryError
    return room


cdef inline void _drop(PyObject** values, int width) noexcept:
    cdef int i
    for i in range(width):
        Py_XDECREF(values[i])


cdef struct Pair:
    Bytes first
    Py_ssize_t first_size
    Bytes second
    Py_ssize_t second_size


cdef inline bint _is_pair(Bytes at, Bytes end) noexcept:
    """Return True if a message of two texts begins here, in its usual form: `tag size 0A size text 12 size text`."""
    cdef Py_ssize_t size, first
    if end - at < 6 or at[1] > 127 or at[1] + 2 > end - at:
        return False
    size, first = at[1], at[3]
    return (
        at[2] == 0x0A and first + 4 <= size and at[4 + first] == 0x12 and at[5 + first] == size - first - 4
    )


cdef inline Bytes _next_pair(Bytes at, Pair* pair) noexcept:
    """Split the pair that begins at `at` with its tag, already checked; return its end."""
    pair.first, pair.first_size = at + 4, at[3]
    at += 4 + at[3]
    pair.second, pair.second_size = at + 2, at[1]
    return at + 2 + at[1]


@final
cdef class Packed:
    """Levels in their wire format: a sequence that makes its Structs at each access."""

    cdef bytes data
    cdef Py_ssize_t count
    cdef object struct

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.levels()[index]

    def __iter__(self):
        return iter(self.levels())

    def levels(self):
        """Return all levels, in a tuple."""
        cdef Bytes at = <Bytes><const char*>self.data
        cdef Bytes end = at + len(self.data)
        cdef Pair pair
        levels = []
        while at < end:
            at = _next_pair(at, &pair)
            texts = _new_text(pair.first, pair.first_size), _new_text(pair.second, pair.second_size)
            levels.append(self.struct(*texts))
        return tuple(levels)

    def __eq__(self, other):
        return self.data == (<Packed>other).data if type(other) is Packed else self.levels() == other

    def __hash__(self):
        return hash(self.levels())


@final
cdef class Reader:
    """Reader of one type of message: `Reader(message).decode` is a fast `message.decode_pure`."""

    cdef Entry* entries
    cdef int known
    cdef uint8_t by_tag[128]
    """Number of the entry, from 1, by a tag of one byte."""
    cdef int on_wire, width
    cdef PyObject** defaults
    """Borrowed from `kept`, like all below."""
    cdef Py_ssize_t* offsets
    """Offsets of an instance's fields; NULL if the Struct has to be called."""
    cdef PyObject* struct
    cdef PyObject** texts
    """Latest texts by hash, for messages whose texts repeat; else NULL."""
    cdef bint packs, is_pair
    cdef object pure
    cdef list kept

    def __cinit__(self, message, bint packs=False):
        cdef Entry* entry
        slots, defaults = message.slots, list(message.defaults)
        if len(slots) > 127 or len(message.struct.__struct_fields__) > MOST_FIELDS:
            raise ValueError("too many fields")
        self.pure, self.packs, self.is_pair = message.decode_pure, packs, message.is_pair
        self.on_wire, self.known = len(defaults), len(slots)
        self.entries = <Entry*>_room(self.known, sizeof(Entry))
        self.struct = <PyObject*>message.struct
        self.kept = [message.struct, defaults]
        self.find_offsets(message.struct, defaults)
        self.width = len(defaults)
        self.defaults = <PyObject**>_room(self.width, sizeof(PyObject*))
        for i, default in enumerate(defaults):
            self.defaults[i] = <PyObject*>default
        for i, slot in enumerate(slots):
            entry = &self.entries[i]
            entry.tag, entry.position, entry.kind = slot.tag, slot.position, slot.kind
            detail = slot.detail
            if entry.kind == NAMED:
                detail = detail.by_number
            elif entry.kind >= MANY:
                detail = Reader(detail, packs)
            self.kept.append(detail)
            entry.detail = <PyObject*>detail
            if entry.tag < 128:
                self.by_tag[entry.tag] = i + 1
            if entry.kind == ONE and self.texts == NULL:  # a wrapper: its texts name channel and symbol
                self.texts = <PyObject**>_room(REMEMBERED, sizeof(PyObject*))

    def __dealloc__(self):
        if self.texts != NULL:
            _drop(self.texts, REMEMBERED)
        PyMem_Free(self.texts)
        PyMem_Free(self.entries)
        PyMem_Free(self.defaults)
        PyMem_Free(self.offsets)

    cdef int find_offsets(self, struct, list defaults) except -1:
        """Find the slots to fill, as `copy` does; only if calling the Struct would do no more than that."""
        names = struct.__struct_fields__
        rest = struct.__struct_defaults__[len(defaults) - len(names):] if len(names) > len(defaults) else ()
        try:
            offsets = [slot_offset(getattr(struct, name)) for name in names]
        except TypeError:
            return 0
        is_plain = all(type(default) in (int, str, bool, type(None)) for default in rest)
        if has_gc(struct) or hasattr(struct, "__post_init__") or not is_plain:
            return 0
        if len(defaults) + len(rest) != len(names):
            return 0
        defaults.extend(rest)
        self.offsets = <Py_ssize_t*>_room(len(offsets), sizeof(Py_ssize_t))
        for i, offset in enumerate(offsets):
            self.offsets[i] = offset
        return 0

    def decode(self, bytes data not None):
        """Return (message, count of unknown fields). Raises ProtocolError."""
        cdef PyObject* values[MOST_FIELDS]
        cdef Bytes at = <Bytes><const char*>data
        cdef int unknown
        cdef PyObject* made = self.one(at, at + len(data), &unknown)
        if made == NULL:
            return self.pure(data)
        message = <object>made
        Py_DECREF(made)
        return message, unknown

    cdef PyObject* one(self, Bytes at, Bytes end, int* unknown) except? NULL:
        """Read a message, a new reference; NULL for one that the pure reader has to read."""
        cdef PyObject* values[MOST_FIELDS]
        cdef PyObject* made
        memset(values, 0, self.on_wire * sizeof(PyObject*))
        try:
            unknown[0] = self.read(at, end, values)
            made = NULL if unknown[0] == UNUSUAL else self.made(values)
        except:
            _drop(values, self.on_wire)
            raise
        if made == NULL:
            _drop(values, self.on_wire)
        return made

    cdef PyObject* made(self, PyObject** values) except NULL:
        """Make the Struct of these values and take their references on success; NULL is the default."""
        cdef int i
        cdef PyObject* value
        cdef PyObject* made
        if self.offsets != NULL:
            made = alloc(self.struct, 0)
            for i in range(self.on_wire):
                value = values[i]
                if value == NULL:
                    value = self.defaults[i]
                    Py_INCREF(value)
                set_slot(made, self.offsets[i], value)
            for i in range(self.on_wire, self.width):
                Py_INCREF(self.defaults[i])
                set_slot(made, self.offsets[i], self.defaults[i])
            return made
        for i in range(self.on_wire):
            if values[i] == NULL:
                values[i] = self.defaults[i]
                Py_INCREF(values[i])
        made = PyObject_Vectorcall(self.struct, values, self.on_wire, NULL)
        _drop(values, self.on_wire)
        return made

    cdef inline Entry* entry_of(self, uint64_t tag) noexcept:
        cdef int i
        if tag < 128:
            return &self.entries[self.by_tag[tag] - 1] if self.by_tag[tag] else NULL
        for i in range(self.known):
            if self.entries[i].tag == tag:
                return &self.entries[i]
        return NULL

    cdef bint declares(self, uint64_t tag) noexcept:
        cdef int i
        for i in range(self.known):
            if self.entries[i].tag >> 3 == tag >> 3:
                return True
        return False

    cdef int read(self, Bytes at, Bytes end, PyObject** values) except -2:
        """Put fields into `values`; return the count of unknown ones, or UNUSUAL."""
        cdef int unknown = 0, inner
        cdef uint64_t tag, number
        cdef Entry* entry
        cdef PyObject* value
        while at < end:
            at = _small(at, end, &tag)
            if at == NULL:
                return UNUSUAL
            entry = self.entry_of(tag)
            if entry == NULL:
                at = _skipped(tag, at, end)
                if at == NULL or self.declares(tag):
                    return UNUSUAL
                unknown += 1
            elif tag & 7 == DELIMITED:
                at = _small(at, end, &number)
                if at == NULL or number > <uint64_t>(end - at):
                    return UNUSUAL
                if entry.kind == MANY:
                    inner = self.items(entry, &at, at + number, end, &values[entry.position])
                elif entry.kind == ONE:
                    if values[entry.position] != NULL:  # to be merged, or replaced
                        return UNUSUAL
                    values[entry.position] = (<Reader>entry.detail).one(at, at + number, &inner)
                    at += number
                else:
                    inner = 0
                    value = _text(at, number) if self.texts == NULL else self.remembered(at, number)
                    if value == NULL:
                        return UNUSUAL
                    Py_XDECREF(values[entry.position])
                    values[entry.position] = value
                    at += number
                if inner == UNUSUAL:
                    return UNUSUAL
                unknown += inner
            else:
                at = _varint(at, end, 10, &number)
                if at == NULL:
                    return UNUSUAL
                value = _number(entry, number)
                if value == NULL:
                    return UNUSUAL
                Py_XDECREF(values[entry.position])
                values[entry.position] = value
        return unknown

    cdef int items(self, Entry* entry, Bytes* first, Bytes stop, Bytes end, PyObject** value) except -2:
        """Read consecutive messages of one kind into a tuple; the first ends at `stop`."""
        cdef Reader reader = <Reader>entry.detail
        cdef Bytes at = stop
        cdef Py_ssize_t count = 1, i
        cdef uint64_t size = stop - first[0]
        cdef int unknown = 0, inner
        cdef PyObject* made
        if value[0] != NULL or entry.tag > 127:  # others came before
            return UNUSUAL
        if self.packs and reader.is_pair and (first[0] - 1)[0] == size:  # in one byte
            packed = _packed(first[0] - 2, first, end, entry.tag, <object>reader.struct)
            if packed is not None:
                value[0] = <PyObject*>packed
                Py_INCREF(value[0])
                return 0
        while at < end and at[0] == entry.tag:
            at = _small(at + 1, end, &size)
            if at == NULL or size > <uint64_t>(end - at):
                return UNUSUAL
            at += size
            count += 1
        value[0] = PyTuple_New(count)
        at = first[0]
        for i in range(count):
            if i:
                at = _small(at + 1, end, &size)
                stop = at + size
            made = reader.one(at, stop, &inner)
            if made == NULL:
                return UNUSUAL
            PyTuple_SET_ITEM(value[0], i, made)
            unknown += inner
            at = stop
        first[0] = at
        return unknown

    cdef PyObject* remembered(self, Bytes at, Py_ssize_t size) except? NULL:
        """Return a text that probably came before: that one is reused, with its hash."""
        cdef uint64_t key = size, eight = 0
        cdef Py_ssize_t i
        cdef PyObject* text
        for i in range(0, size - 7, 8):
            memcpy(&eight, at + i, 8)
            key = (key ^ eight) * 0x9E3779B97F4A7C15ULL
        if size > 7:  # the last 8 bytes, or the rest
            memcpy(&eight, at + size - 8, 8)
        else:
            memcpy(&eight, at, size)
        key = ((key ^ eight) * 0x9E3779B97F4A7C15ULL) >> 58
        text = self.texts[key]
        if text != NULL and PyUnicode_GET_LENGTH(text) == size and memcmp(ascii_of(text), at, size) == 0:
            Py_INCREF(text)
            return text
        text = _text(at, size)
        if text != NULL and size < 128 and _is_ascii(at, size):
            Py_INCREF(text)
            Py_XDECREF(self.texts[key])
            self.texts[key] = text
        return text


cdef object _packed(Bytes first, Bytes* stop, Bytes end, uint8_t tag, struct):
    """Pack consecutive messages with their tags; None unless all are pairs of ASCII texts."""
    cdef Bytes at = first
    cdef Py_ssize_t count = 0
    cdef Packed packed
    while at < end and at[0] == tag:
        if not _is_pair(at, end):
            return None
        at += 2 + at[1]
        count += 1
    if not count or not _is_ascii(first, at - first):
        return None
    packed = Packed.__new__(Packed)
    packed.data, packed.count, packed.struct = (<const char*>first)[:at - first], count, struct
    stop[0] = at
    return packed


cdef inline PyObject* _number(Entry* entry, uint64_t number) except? NULL:
    """Return a field's value, a new reference; NULL for an enum's number without a name."""
    cdef PyObject* value
    cdef PyObject* key
    if entry.kind == INT64:
        return PyLong_FromLongLong(<int64_t>number)
    if entry.kind == BOOL:
        value = Py_True if number else Py_False
        Py_INCREF(value)
        return value
    key = PyLong_FromLongLong(<int32_t>number)  # its low 32 bits count, as in Google's runtime
    if entry.kind == INT32:
        return key
    value = PyDict_GetItem(entry.detail, key)
    Py_DECREF(key)
    if value != NULL:
        Py_INCREF(value)
    return value
