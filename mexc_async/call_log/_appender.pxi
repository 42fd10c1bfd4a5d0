# The call log's appender, and the entries of usual orders and cancels, byte by byte as msgspec packs them.
# `appender.py` documents the one; `entries.py` and `client_log.py` the other.

import os as _os
from hashlib import sha256 as _hashlib_sha256

from cpython.mem cimport PyMem_Realloc

cdef extern from *:
    """
    #ifdef _WIN32
    #include <io.h>
    #define LOG_WRITE(fd, at, size) _write(fd, at, (unsigned)(size))
    #else
    #include <unistd.h>
    #define LOG_WRITE(fd, at, size) write(fd, at, size)
    #endif

    static int holds(const unsigned char *text, Py_ssize_t size, const char *part, Py_ssize_t part_size)
    {
        const unsigned char *last = text + size - part_size;
        while (text <= last && (text = memchr(text, part[0], last - text + 1))) {
            if (!memcmp(text, part, part_size)) return 1;
            text++;
        }
        return 0;
    }
    """
    Py_ssize_t LOG_WRITE(int fd, const void* at, size_t size) nogil
    bint holds(const unsigned char* text, Py_ssize_t size, const char* part, Py_ssize_t part_size) noexcept nogil

cdef extern from "errno.h":
    int errno

cdef extern from "Python.h":
    const char* text_of "PyUnicode_AsUTF8AndSize"(object text, Py_ssize_t* size) except NULL

cdef enum:
    RECORD_HEAD = 32
    RECORD_HASH = 16
    RECORD_TAIL = 20
    MOST_QUICK = 4096
    LOOK_MS = 1000


@final
cdef class Appender:
    """`PureAppender` of `appender.py`."""

    cdef public int fd
    cdef public long long size, look_at_ms, most_bytes
    cdef public object held
    cdef public tuple secrets
    cdef object open_call
    cdef unsigned char* out
    cdef Py_ssize_t used, room, open_at, began_at
    cdef unsigned long long seq, written_seq, began_seq
    cdef unsigned char digest[RECORD_HASH]
    cdef unsigned char written_digest[RECORD_HASH]
    cdef unsigned char began_digest[RECORD_HASH]

    def __cinit__(self):
        self.fd, self.open_at, self.secrets = -1, -1, ()
        self.room = 4 * MOST_QUICK
        self.out = <unsigned char*>PyMem_Malloc(self.room)
        if self.out == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.out)

    def begin(self, int fd, long long size, unsigned long long seq, str digest not None):
        """Write to this file from now on."""
        self.fd, self.size = fd, size
        cdef bytes raw = bytes.fromhex(digest)
        if len(raw) != RECORD_HASH:
            raise ValueError("a hash has 32 hex digits")
        self.seq = self.written_seq = seq
        memcpy(self.digest, <const unsigned char*>raw, RECORD_HASH)
        memcpy(self.written_digest, <const unsigned char*>raw, RECORD_HASH)

    def turn(self, int fd):
        """Write to this new file from now on."""
        self.fd, self.size = fd, 0

    def end(self):
        """Forget the file."""
        self.fd = -1

    @property
    def last(self):
        """Return number and hash of the last entry that was written."""
        return self.written_seq, self.written_digest[:RECORD_HASH].hex()

    def add(self, bytes content not None):
        """Add an entry."""
        self.start(len(content))
        memcpy(self.out + self.used, <const unsigned char*>content, len(content))
        self.used += len(content)
        self.finish()

    def flush(self, bint is_synced):
        """Write the added entries, all or none."""
        self.settle()
        cdef Py_ssize_t written
        if not self.used:
            return
        with nogil:
            written = LOG_WRITE(self.fd, self.out, self.used)
        if written < 0:
            raise OSError(errno, _os.strerror(errno))
        try:
            if written < self.used:
                raise OSError(f"{written} of {self.used} bytes could be written: is the disk full?")
            if is_synced:
                _os.fdatasync(self.fd)
        except OSError:
            self.undo(written)
            raise
        self.wrote()

    def take(self):
        """Return the entries that are not written, and drop them."""
        self.settle()
        cdef Py_ssize_t at = 0, size
        found = []
        while at < self.used:
            size = <Py_ssize_t>_read32(self.out + at + 4)
            found.append(self.out[at + RECORD_HEAD : at + size - RECORD_TAIL])
            at += size
        self.used = 0
        return found

    cdef int start(self, Py_ssize_t content) except -1:
        """Begin a record with room for an entry of this size."""
        self.settle()
        self.began_at, self.began_seq = self.used, self.seq
        memcpy(self.began_digest, self.digest, RECORD_HASH)
        cdef Py_ssize_t needed = self.used + RECORD_HEAD + content + RECORD_TAIL
        cdef unsigned char* out
        if needed > self.room:
            out = <unsigned char*>PyMem_Realloc(self.out, 2 * needed)
            if out == NULL:
                raise MemoryError
            self.out, self.room = out, 2 * needed
        self.used += RECORD_HEAD
        return 0

    cdef int finish(self) except -1:
        """Chain the record that was begun last."""
        cdef unsigned char* record = self.out + self.began_at
        cdef Py_ssize_t hashed = self.used - self.began_at
        cdef Py_ssize_t size = hashed + RECORD_TAIL
        self.open_at = -1
        self.seq += 1
        memcpy(record, b"\xc1MX2", 4)
        _write32(record + 4, <unsigned int>size)
        _write32(record + 8, <unsigned int>(self.seq & 0xFFFFFFFF))
        _write32(record + 12, <unsigned int>(self.seq >> 32))
        memcpy(record + 16, self.digest, RECORD_HASH)
        _sha256(record, hashed, self.digest)
        memcpy(record + hashed, self.digest, RECORD_HASH)
        _write32(record + hashed + RECORD_HASH, <unsigned int>size)
        self.used += RECORD_TAIL
        return 0

    cdef int settle(self) except -1:
        """Chain the entry that could be extended so far."""
        if self.open_at >= 0:
            self.open_call = None
            self.finish()
        return 0

    cdef void drop(self) noexcept:
        """Forget the record that was begun last."""
        self.used, self.seq, self.open_at, self.open_call = self.began_at, self.began_seq, -1, None
        memcpy(self.digest, self.began_digest, RECORD_HASH)

    cdef bint holds_secret(self, Py_ssize_t at) except -1:
        """Return True if there is a secret in the bytes from here on."""
        for secret in self.secrets:
            if holds(self.out + at, self.used - at, <const char*><bytes>secret, len(<bytes>secret)):
                return True
        return False

    cdef bint try_flush(self) except -1:
        """Write the added entries if the whole of them goes through."""
        cdef Py_ssize_t written = LOG_WRITE(self.fd, self.out, self.used)
        if written != self.used:
            if written > 0:
                self.undo(written)
            return False
        self.wrote()
        return True

    cdef int undo(self, Py_ssize_t written) except -1:
        """Remove the bytes that were written last."""
        try:
            _os.ftruncate(self.fd, _os.lseek(self.fd, 0, _os.SEEK_CUR) - written)
        except OSError:
            pass
        return 0

    cdef inline void wrote(self) noexcept:
        self.size += self.used
        self.used, self.written_seq = 0, self.seq
        memcpy(self.written_digest, self.digest, RECORD_HASH)


@final
cdef class QuickEntries:
    """Entries of usual orders and cancels of one client. Each method returns False where Python has to make the entry."""

    cdef Appender log
    cdef object order_type, cancel_type, wall_ms
    cdef bytes client
    cdef Py_ssize_t symbol_at, side_at, kind_at, quantity_at, quote_at, price_at, name_at, mode_at
    cdef dict endpoints

    def __init__(self, Appender log not None, str client not None, order_type, cancel_type, wall_ms):
        """Take the types of requests for orders and cancels, and a clock if it is not the system's."""
        self.log, self.client, self.endpoints = log, client.encode(), {}
        self.order_type, self.cancel_type, self.wall_ms = order_type, cancel_type, wall_ms
        self.symbol_at, self.side_at = slot_offset(order_type.symbol), slot_offset(order_type.side)
        self.kind_at, self.mode_at = slot_offset(order_type.type), slot_offset(order_type.stp_mode)
        self.price_at, self.quantity_at = slot_offset(order_type.price), slot_offset(order_type.quantity)
        self.quote_at, self.name_at = slot_offset(order_type.quote_order_qty), slot_offset(order_type.new_client_order_id)

    cdef long long now_ms(self) except? -1:
        return wall_clock_ms() if self.wall_ms is None else <long long>self.wall_ms()

    cdef bint is_usual(self, Call call, long long wall) except -1:
        """Return True if the log is open and the request is an order or a cancel."""
        cdef Appender log = self.log
        return (
            log.fd >= 0
            and log.held is None
            and log.size < log.most_bytes
            and log.look_at_ms - LOOK_MS <= wall < log.look_at_ms
            and (type(call.given) is self.order_type or type(call.given) is self.cancel_type)
        )

    cdef bytes endpoint_of(self, route):
        """Return method and path, packed."""
        found = self.endpoints.get(id(route))
        if found is None or found[0] is not route:
            if len(self.endpoints) > 100:
                self.endpoints.clear()
            found = self.endpoints[id(route)] = (route, f"{route.method} {route.path}".encode())
        return <bytes>found[1]

    def sending(self, Call call not None, int attempt, long long at, long long until):
        """`ClientLog.sending`."""
        cdef long long wall = self.now_ms()
        cdef Appender log = self.log
        if not self.is_usual(call, wall) or at < 0 or until < 0 or attempt < 1:
            return False
        log.start(MOST_QUICK)
        cdef unsigned char* out = log.out + log.used
        cdef unsigned char* end = out + MOST_QUICK
        cdef unsigned char* to = _copied(out + 1, b"\xa4kind\xa7sending", 13)
        out[0] = 0x88 + (call.client_order_id is not None) + (attempt != 1)
        to = self.stamps(to, at, wall)
        to = _put_raw(to, b"\xa6client", 7, self.client)
        to = _put_int(_copied(to, b"\xa4call", 5), call.number)
        to = _put_raw(to, b"\xa8endpoint", 9, self.endpoint_of(call.route))
        to = _copied(to, b"\xa6params", 7)
        if type(call.given) is self.order_type:
            to = self.terms(to, end - 200, call.given)
        else:
            to = self.params(to, end - 200, call.given.params())
        if to != NULL:
            to = _put_int(_copied(to, b"\xa5until", 6), until)
        if to != NULL and call.client_order_id is not None:
            to = _put_named(to, end, b"\xa5order", 6, call.client_order_id)
        if to != NULL and attempt != 1:
            to = _put_int(_copied(to, b"\xa7attempt", 8), attempt) if end - to > 20 else NULL
        if to == NULL:
            log.drop()
            return False
        log.used = to - log.out
        if log.holds_secret(out - log.out):
            log.drop()
            return False
        log.finish()
        if not log.try_flush():
            log.drop()
            return False
        return True

    cdef unsigned char* stamps(self, unsigned char* to, long long at, long long wall) noexcept:
        to = _put_int(_copied(to, b"\xa2at", 3), at)
        return _put_int(_copied(to, b"\xa4wall", 5), wall)

    cdef unsigned char* terms(self, unsigned char* to, unsigned char* end, order) except? NULL:
        """Pack the parameters of an order; NULL if Python has to."""
        cdef unsigned char* count = to
        count[0] = 0x83
        to = _put_named(to + 1, end, b"\xa6symbol", 7, _slot(order, self.symbol_at))
        to = _put_named(to, end, b"\xa4side", 5, _slot(order, self.side_at))
        to = _put_named(to, end, b"\xa4type", 5, _slot(order, self.kind_at))
        to = _put_decimal(to, end, count, b"\xa8quantity", 9, _slot(order, self.quantity_at))
        to = _put_decimal(to, end, count, b"\xadquoteOrderQty", 14, _slot(order, self.quote_at))
        to = _put_decimal(to, end, count, b"\xa5price", 6, _slot(order, self.price_at))
        value = _slot(order, self.name_at)
        if to != NULL and value is not None:
            count[0] += 1
            to = _put_named(to, end, b"\xb0newClientOrderId", 17, value)
        value = _slot(order, self.mode_at)
        if to != NULL and value is not None:
            count[0] += 1
            to = _put_named(to, end, b"\xa7stpMode", 8, value)
        return to

    cdef unsigned char* params(self, unsigned char* to, unsigned char* end, list given) except? NULL:
        """Pack the parameters of a cancel; NULL if Python has to."""
        to[0] = 0x80 + <unsigned char>len(given)
        to += 1
        for name, value in given:
            to = _put_text(_put_text(to, end, name), end, value)
        return to

    def done(self, Call call not None, int attempt, double wait_s, double latency_s, status, answer):
        """`ClientLog.done` of an attempt without an error; the entry may be extended until another one comes."""
        cdef long long wall = self.now_ms()
        cdef Appender log = self.log
        cdef unsigned char fields = 10
        order_id = getattr(answer, "order_id", None)
        if not self.is_usual(call, wall) or type(status) is not int or wait_s < 0 or latency_s < 0 or attempt < 1:
            return False
        if call.number <= 0 or call.stamped_ms <= 0:
            return False
        log.start(MOST_QUICK)
        cdef unsigned char* out = log.out + log.used
        cdef unsigned char* end = out + MOST_QUICK - 200
        cdef unsigned char* to = _copied(out + 3, b"\xa4kind\xa4done", 10)
        to = self.stamps(to, call.stamped_ms + <long long>(latency_s * 1000), wall)
        to = _put_raw(to, b"\xa6client", 7, self.client)
        to = _put_raw(to, b"\xa8endpoint", 9, self.endpoint_of(call.route))
        to = _copied(to, b"\xa7outcome\xa2ok", 11)
        to = _put_int(_copied(to, b"\xaalatency_us", 11), <long long>(latency_s * 1e6))
        to = _put_int(_copied(to, b"\xa9waited_us", 10), <long long>(wait_s * 1e6))
        to = _put_int(_copied(to, b"\xa4call", 5), call.number)
        to = _put_int(_copied(to, b"\xa6status", 7), <long long>status)
        if call.client_order_id is not None:
            fields += 1
            to = _put_named(to, end, b"\xa5order", 6, call.client_order_id)
        if order_id is not None:
            fields += 1
            to = _put_named(to, end, b"\xa8order_id", 9, order_id)
        if to != NULL and attempt != 1:
            fields += 1
            to = _put_int(_copied(to, b"\xa7attempt", 8), attempt)
        if to == NULL:
            log.drop()
            return False
        out[0], out[1], out[2] = 0xDE, 0, fields  # as msgspec packs a Struct of more than 15 fields
        log.used = to - log.out
        if log.holds_secret(out - log.out):
            log.drop()
            return False
        log.open_at, log.open_call = out - log.out, call
        return True

    def placed(self, Call call not None, name, order_id):
        """Extend the entry of a call's answer: the exchange has the order."""
        cdef Appender log = self.log
        if log.open_at < 0 or log.open_call is not call:
            return False
        cdef Py_ssize_t at = log.used
        cdef unsigned char* end = log.out + log.open_at + MOST_QUICK
        cdef unsigned char* to = _copied(log.out + at, b"\xa6placed\x81", 8)
        to = _put_text(to, end, name)
        if to != NULL and order_id is None:
            to[0] = 0xC0
            to += 1
        else:
            to = _put_text(to, end, order_id)
        if to == NULL:
            return False
        log.used = to - log.out
        if log.holds_secret(at):
            log.used = at
            return False
        log.out[log.open_at + 2] += 1
        log.open_call = None
        return True


cdef inline unsigned int _read32(const unsigned char* at) noexcept:
    return at[0] | at[1] << 8 | at[2] << 16 | <unsigned int>at[3] << 24


cdef inline void _write32(unsigned char* at, unsigned int value) noexcept:
    at[0], at[1], at[2], at[3] = value & 255, value >> 8 & 255, value >> 16 & 255, value >> 24


cdef int _sha256(const unsigned char* at, Py_ssize_t size, unsigned char* digest) except -1:
    """Write the first 16 bytes of the SHA-256."""
    cdef State state
    cdef unsigned char whole[32]
    cdef bytes made
    if has_sha256:
        _init(state.bytes)
        _update(state.bytes, at, size)
        _final(whole, state.bytes)
        memcpy(digest, whole, RECORD_HASH)
    else:
        made = _hashlib_sha256(at[:size]).digest()
        memcpy(digest, <const unsigned char*>made, RECORD_HASH)
    return 0


cdef inline unsigned char* _put_int(unsigned char* to, long long value) noexcept:
    """Pack a whole number that is not negative, in as few bytes as it takes."""
    cdef int size, i
    if value < 128:
        to[0] = <unsigned char>value
        return to + 1
    if value < 1 << 8:
        to[0], size = 0xCC, 1
    elif value < 1 << 16:
        to[0], size = 0xCD, 2
    elif value < 1LL << 32:
        to[0], size = 0xCE, 4
    else:
        to[0], size = 0xCF, 8
    for i in range(size):
        to[size - i] = value & 255
        value >>= 8
    return to + 1 + size


cdef inline unsigned char* _put_bytes(unsigned char* to, const void* text, Py_ssize_t size) noexcept:
    """Pack a text of less than 64 KiB."""
    if size < 32:
        to[0] = <unsigned char>(0xA0 | size)
        to += 1
    elif size < 256:
        to[0], to[1] = 0xD9, <unsigned char>size
        to += 2
    else:
        to[0], to[1], to[2] = 0xDA, <unsigned char>(size >> 8), <unsigned char>(size & 255)
        to += 3
    return _copied(to, text, size)


cdef inline unsigned char* _put_raw(unsigned char* to, const void* name, Py_ssize_t name_size, bytes text) noexcept:
    """Pack a field whose text is short."""
    return _put_bytes(_copied(to, name, name_size), <const char*>text, len(text))


cdef inline unsigned char* _put_text(unsigned char* to, unsigned char* end, text) except? NULL:
    """Pack a text; NULL if it is none, or there is no room, or was none before."""
    cdef Py_ssize_t size = 0
    cdef const char* at
    if to == NULL or type(text) is not str:
        return NULL
    at = text_of(text, &size)
    return NULL if size + 4 > end - to else _put_bytes(to, at, size)


cdef inline unsigned char* _put_named(
    unsigned char* to, unsigned char* end, const void* name, Py_ssize_t name_size, text
) except? NULL:
    """Pack a field with a text."""
    if to == NULL or end - to < 40:
        return NULL
    return _put_text(_copied(to, name, name_size), end, text)


cdef inline unsigned char* _put_decimal(
    unsigned char* to, unsigned char* end, unsigned char* count, const void* name, Py_ssize_t name_size, value
) except? NULL:
    """Pack a field with an amount and count it; skip None. NULL if Python has to."""
    cdef Py_ssize_t size = 0
    if value is None:
        return to
    if to == NULL or type(value) is not _Decimal:
        return NULL
    text = str(value)
    if _plain_digits(text, &size) == NULL:
        return NULL
    count[0] += 1
    return _put_named(to, end, name, name_size, text)
