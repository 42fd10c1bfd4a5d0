# Numbers of at most 18 digits: read from text, and converted to Python numbers.

from decimal import Decimal as _Decimal

from mexc_async.books.side import exact as _exact
from mexc_async.errors import ProtocolError as _ProtocolError

cdef enum:
    MOST_DIGITS = 18  # these always fit

cdef int64_t[19] _power
_power[0] = 1
for _i in range(1, 19):
    _power[_i] = _power[_i - 1] * 10

cdef struct Number:
    int64_t value
    int scale


cdef inline bint _is_plain(Bytes at, Py_ssize_t size, Number* number) noexcept:
    """Read digits with one point at most."""
    cdef int64_t value = 0
    cdef Py_ssize_t i = 0, decimals = 0
    if not 0 < size <= MOST_DIGITS + 1:
        return False
    while i < size and <uint8_t>(at[i] - 48) < 10:
        value = value * 10 + (at[i] - 48)
        i += 1
    if i < size:
        if at[i] != 46 or size == 1:
            return False
        i += 1
        decimals = size - i
        while i < size:
            if <uint8_t>(at[i] - 48) > 9:
                return False
            value = value * 10 + (at[i] - 48)
            i += 1
    elif size > MOST_DIGITS:
        return False
    number.value, number.scale = value, <int>decimals
    return True


cdef bint _read_number(Bytes at, Py_ssize_t size, Number* number) except -1:
    """Read a number in any spelling; return False for text that is not a number or does not fit."""
    if _is_plain(at, size, number):
        return True
    try:
        value, scale = _exact((<const char*>at)[:size].decode())
    except (_ProtocolError, UnicodeDecodeError):
        return False
    if scale > MOST_DIGITS or value > _power[MOST_DIGITS]:
        return False
    number.value, number.scale = value, scale
    return True


cdef inline bint _rescale(Number* number, int scale) noexcept:
    """Rescale the number to more decimals; return False if it does not fit."""
    if not _grows(&number.value, scale - number.scale):
        return False
    number.scale = scale
    return True


cdef inline bint _grows(int64_t* value, int decimals) noexcept:
    """Multiply by a power of ten; return False if the product does not fit."""
    cdef int64_t most
    if decimals > MOST_DIGITS:
        return value[0] == 0
    most = 9223372036854775807LL // _power[decimals]
    if not -most <= value[0] <= most:
        return False
    value[0] *= _power[decimals]
    return True


cdef object _text_of(uint64_t value, int scale):
    """Format a number that is not negative, in plain notation."""
    cdef unsigned char digits[40]
    cdef int at = 40, written = 0
    while value or written <= scale:
        if written == scale and scale:
            at -= 1
            digits[at] = 46
        at -= 1
        digits[at] = 48 + value % 10
        value //= 10
        written += 1
    return _new_text(&digits[at], 40 - at)


cdef extern from *:
    """
    #include <stdint.h>
    /* A Decimal as CPython has it on 64 bits (Modules/_decimal/_decimal.c). */
    typedef struct {
        PyObject_HEAD
        Py_hash_t hash;
        uint8_t flags;
        Py_ssize_t exponent, digits, used, room;
        uint64_t *words, inner[4];
    } DecimalLayout;
    """
    ctypedef struct DecimalLayout:
        Py_hash_t hash
        uint8_t flags
        Py_ssize_t exponent, digits, used, room
        uint64_t* words
        uint64_t* inner


cdef inline PyObject* _new_decimal(uint64_t value, int scale) except NULL:
    """Build the same as `Decimal(_text_of(...))`, of 18 digits at most, without the text: an eighth of the cost."""
    cdef PyObject* made = alloc(<PyObject*>_Decimal, 0)
    cdef DecimalLayout* layout = <DecimalLayout*>made
    cdef int digits = 1
    while digits <= MOST_DIGITS and value >= <uint64_t>_power[digits]:
        digits += 1
    layout.hash, layout.flags = -1, (<DecimalLayout*><PyObject*>_one).flags
    layout.exponent, layout.digits, layout.used, layout.room = -scale, digits, 1, 4
    layout.words, layout.inner[0] = layout.inner, value
    return made


cdef bint _decimals_are_known() except -1:
    """Return True if `Decimal` has that layout: compare its objects with ours, byte by byte."""
    cdef PyObject* made
    cdef bint are_same = True
    if <size_t>_Decimal.__basicsize__ != sizeof(DecimalLayout) or has_gc(_Decimal):
        return False
    for value, scale in ((0, 0), (0, 2), (1, 0), (125, 2), (5, 18), (9338728, 2), (10**18 - 1, 8), (10**17, 0)):
        expected = _Decimal(_text_of(value, scale))
        made = _new_decimal(value, scale)
        are_same = are_same and _is_same_decimal(<DecimalLayout*>made, <DecimalLayout*><PyObject*>expected)
        if not are_same:
            return False  # and not freed: it may be anything
        Py_DECREF(made)
    return True


cdef bint _is_same_decimal(DecimalLayout* one, DecimalLayout* other) noexcept:
    return (
        one.hash == other.hash and one.flags == other.flags and one.exponent == other.exponent
        and one.digits == other.digits and one.used == other.used and one.room == other.room
        and other.words == other.inner and one.inner[0] == other.inner[0]
    )


_one = _Decimal(1)
cdef bint _knows_decimals = _decimals_are_known()
if not _knows_decimals:
    faults.append("Decimal is laid out otherwise than known: Python makes the numbers of books")


cdef inline object _number_of(int64_t value, int scale, from_text):
    """Build a number that is not negative, in the type that `from_text` makes."""
    cdef PyObject* made
    if from_text is _Decimal and _knows_decimals and value < _power[MOST_DIGITS]:
        made = _new_decimal(value, scale)
        number = <object>made
        Py_DECREF(made)
        return number
    if from_text is float and value < 1LL << 53:
        return <double>value / <double>_power[scale]  # both exact, so that the quotient is rounded once
    return from_text(_text_of(value, scale))
