# Text and answer of an order, byte by byte; Python handles anything unusual.

from decimal import Decimal as _Decimal

cdef enum:
    MOST_TEXT = 512


cdef inline const unsigned char* _ascii(text, Py_ssize_t* size) except? NULL:
    """Return the bytes of ASCII text; NULL for anything else."""
    if type(text) is not str or not PyUnicode_IS_ASCII(text):
        return NULL
    size[0] = PyUnicode_GET_LENGTH(<PyObject*>text)
    return PyUnicode_1BYTE_DATA(text)


cpdef bint is_amount(value) except -1:
    """`is_amount_pure` of `validation.py`."""
    if type(value) is not _Decimal or not value:
        return False
    text = str(value)
    cdef Py_ssize_t size = 0, i
    cdef const unsigned char* at = _ascii(text, &size)
    if at == NULL or size > 21 or not 48 <= at[0] < 58:
        return False
    for i in range(size):
        if at[i] == 69:  # E
            return False
    return True


@final
cdef class Form:
    """Offsets of an order's fields, and the latest form: the constant text of one form is looked up once."""

    cdef Py_ssize_t symbol_at, side_at, kind_at, mode_at, price_at, quantity_at, quote_at, name_at
    cdef object symbol, side, kind, mode

    def __init__(self, kind):
        self.symbol_at, self.side_at = slot_offset(kind.symbol), slot_offset(kind.side)
        self.kind_at, self.mode_at = slot_offset(kind.type), slot_offset(kind.stp_mode)
        self.price_at, self.quantity_at = slot_offset(kind.price), slot_offset(kind.quantity)
        self.quote_at, self.name_at = slot_offset(kind.quote_order_qty), slot_offset(kind.new_client_order_id)

    cdef inline bint is_of(self, order) noexcept:
        """Return True if the order has the form of the latest one."""
        return (
            _field(order, self.symbol_at) == <PyObject*>self.symbol
            and _field(order, self.side_at) == <PyObject*>self.side
            and _field(order, self.kind_at) == <PyObject*>self.kind
            and _field(order, self.mode_at) == <PyObject*>self.mode
        )

    cdef inline tuple take(self, order):
        """Make it the latest; return its form."""
        self.symbol, self.side = _slot(order, self.symbol_at), _slot(order, self.side_at)
        self.kind, self.mode = _slot(order, self.kind_at), _slot(order, self.mode_at)
        return (self.symbol, self.side, self.kind, self.mode)


cdef inline PyObject* _field(thing, Py_ssize_t at) noexcept:
    return (<PyObject**>(<char*><PyObject*>thing + at))[0]


cdef inline object _slot(thing, Py_ssize_t at):
    """Return the value of a Struct's field."""
    return <object>_field(thing, at)


@final
cdef class KnownForms:
    """`is_known_pure` of `trading.py`."""

    cdef Form latest
    cdef object forms
    cdef bint is_known

    def __init__(self, kind, forms):
        self.latest, self.forms = Form(kind), forms

    def __call__(self, order):
        cdef Form latest = self.latest
        cdef const unsigned char* at
        cdef Py_ssize_t i, size = 0
        if _slot(order, latest.quote_at) is not None:
            return False
        if not is_amount(_slot(order, latest.quantity_at)) or not is_amount(_slot(order, latest.price_at)):
            return False
        name = _slot(order, latest.name_at)
        if name is not None and not _is_plain_id(name):
            return False
        if not self.is_known or not latest.is_of(order):
            try:
                self.is_known = latest.take(order) in self.forms
            except TypeError:
                self.is_known = False
        return self.is_known


cdef inline bint _is_plain_id(name) except -1:
    """Return True if an id needs no escaping."""
    cdef Py_ssize_t i, size = 0
    cdef const unsigned char* at = _ascii(name, &size)
    if at == NULL or not 0 < size <= 32:
        return False
    for i in range(size):
        if not _stays[at[i]]:
            return False
    return True


@final
cdef class Filler:
    """`_Filler` of `prepared.py`."""

    cdef object pattern, new_id
    cdef Form form

    def __init__(self, pattern, new_id):
        self.pattern, self.new_id, self.form = pattern, new_id, Form(type(pattern))

    def __call__(self, price, quantity):
        if not is_amount(price) or not is_amount(quantity):
            return None
        order = self.pattern.__copy__()
        _replace(order, self.form.price_at, price)
        _replace(order, self.form.quantity_at, quantity)
        _replace(order, self.form.name_at, self.new_id())
        return order


cdef inline void _replace(thing, Py_ssize_t at, value) noexcept:
    """Set a field of a Struct, which may be frozen."""
    cdef PyObject** field = <PyObject**>(<char*><PyObject*>thing + at)
    cdef PyObject* before = field[0]
    Py_INCREF(<PyObject*>value)
    field[0] = <PyObject*>value
    Py_XDECREF(before)


cdef inline Py_ssize_t _put(unsigned char* out, Py_ssize_t used, const unsigned char* text, Py_ssize_t size):
    """Append text; -1 if there is no room, or was none before."""
    if used < 0 or size > MOST_TEXT - used:
        return -1
    memcpy(out + used, text, size)
    return used + size


cdef Py_ssize_t _put_amount(unsigned char* out, Py_ssize_t used, amount) except -2:
    text = str(amount)
    cdef Py_ssize_t size = 0, i
    cdef const unsigned char* at = _ascii(text, &size)
    if at == NULL:
        return -1
    for i in range(size):
        if at[i] == 69:  # E
            text = format(amount, "f")
            at = _ascii(text, &size)
            if at == NULL:
                return -1
            break
    return _put(out, used, at, size)


def order_text(name, price, quantity, middle, timestamp_ms, end):
    """`order_text_pure` of `trading.py`; None for orders that only that one handles."""
    cdef unsigned char out[MOST_TEXT]
    cdef unsigned char digits[20]
    cdef Py_ssize_t used = 0, size = 0
    cdef int count = 20
    cdef long long left
    cdef const unsigned char* at = _ascii(name, &size)
    if at == NULL or type(timestamp_ms) is not int or not 0 < timestamp_ms < 1 << 62:
        return None
    if not _is_plain_id(name):
        return None
    used = _put(out, used, b"newClientOrderId=", 17)
    used = _put(out, used, at, size)
    used = _put(out, used, b"&price=", 7)
    used = _put_amount(out, used, price)
    used = _put(out, used, b"&quantity=", 10)
    used = _put_amount(out, used, quantity)
    at = _ascii(middle, &size)
    if at == NULL:
        return None
    used = _put(out, used, at, size)
    left = timestamp_ms
    while left:
        count -= 1
        digits[count] = 48 + left % 10
        left //= 10
    used = _put(out, used, digits + count, 20 - count)
    at = _ascii(end, &size)
    if at == NULL:
        return None
    used = _put(out, used, at, size)
    return None if used < 0 else _new_text(out, used)


cpdef bint names_code(bytes body) except -1:
    """Return True if a body contains `"code"`."""
    cdef const char* at = body  # raises TypeError for None
    cdef const char* start = at
    cdef const char* end = at + len(body) - 4
    while at < end:
        at = <const char*>memchr(at, 99, end - at)  # c
        if at == NULL:
            return False
        if at > start and memcmp(at - 1, b'"code"', 6) == 0:
            return True
        at += 1
    return False


cdef bint[256] _in_names
for _letter in "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
    _in_names[ord(_letter)] = True


cdef inline bint _is_name(const unsigned char* at, Py_ssize_t size, const char* name, Py_ssize_t length):
    """Compare a field's name with this one, ignoring case."""
    cdef Py_ssize_t i
    if size != length:
        return False
    for i in range(size):
        if (at[i] | 32) != <unsigned char>name[i]:
            return False
    return True


cdef inline Py_ssize_t _printable(const unsigned char* at, Py_ssize_t i, Py_ssize_t end) noexcept:
    """Return the end of the printable ASCII from `i` on."""
    cdef uint64_t eight
    while i + 8 <= end:
        memcpy(&eight, at + i, 8)
        # The top bit of a byte: set if it was set, if the byte is below 32, or if it is 127.
        if (eight | (eight - 0x2020202020202020ULL) | (eight + 0x0101010101010101ULL)) & 0x8080808080808080ULL:
            break
        i += 8
    while i < end and 32 <= at[i] < 127:
        i += 1
    return i


cpdef ordinary_body(bytes data):
    """Return the body of one whole answer that only its Content-Length frames and that leaves the connection open.

    None for any other answer, and for bytes that are not HTTP: the parser handles these.
    """
    cdef const unsigned char* at = data
    cdef Py_ssize_t end = len(data), i = 13, name, size, value, length = -1
    if end < 17 or memcmp(at, b"HTTP/1.1 200 ", 13) != 0:
        return None
    i = _printable(at, i, end)
    while True:
        if i + 2 > end or at[i] != 13 or at[i + 1] != 10:
            return None
        i += 2
        name = i
        while i < end and _in_names[at[i]]:
            i += 1
        size = i - name
        if size == 0:
            break
        if i >= end or at[i] != 58:  # :
            return None
        i += 1
        while i < end and (at[i] == 32 or at[i] == 9):
            i += 1
        value = i
        i = _printable(at, i, end)
        if size == 14 and _is_name(at + name, size, b"content-length", 14):
            if length >= 0 or not 0 < i - value <= 9:
                return None
            length = 0
            while value < i:
                if not 48 <= at[value] < 58:
                    return None
                length = length * 10 + at[value] - 48
                value += 1
        elif size == 10 and _is_name(at + name, size, b"connection", 10):
            if not _is_name(at + value, i - value, b"keep-alive", 10):
                return None
        elif (
            _is_name(at + name, size, b"transfer-encoding", 17)
            or _is_name(at + name, size, b"content-encoding", 16)
            or _is_name(at + name, size, b"proxy-connection", 16)
            or _is_name(at + name, size, b"upgrade", 7)
            or _is_name(at + name, size, b"trailer", 7)
        ):
            return None
    if i + 2 > end or at[i] != 13 or at[i + 1] != 10 or length < 0 or end - i - 2 != length:
        return None
    return data[i + 2 :]
