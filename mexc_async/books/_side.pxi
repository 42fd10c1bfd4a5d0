# One side of a book as a sorted array. A number that does not fit into 64 bits, or whose spelling `exact` refuses,
# makes the pure side of `side.py` take over until the next snapshot: it raises the right error.

from cpython.mem cimport PyMem_Realloc
from libc.string cimport memmove

from mexc_async.books.side import BookLevel as _BookLevel, PureBookSide as _PureSide

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    PyObject* PyTuple_GET_ITEM(object, Py_ssize_t)
    PyObject* PyList_GET_ITEM(object, Py_ssize_t)

cdef enum:
    NEAR = 128

cdef extern from *:
    """
    typedef struct {
        long long key, quantity, scale;
    } Level;

    #if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 9
    #define UNFORESEEN(condition) __builtin_expect_with_probability(condition, 1, 0.5)
    #else
    #define UNFORESEEN(condition) (condition)
    #endif
    #ifdef __GNUC__
    #define prefetch(at) __builtin_prefetch(at)
    #else
    #define prefetch(at)
    #endif

    /* The first of `left` levels, one at least, whose key is no less; without branches an update takes a fifth less. */
    static Level *first_not_below(Level *first, Py_ssize_t left, long long key)
    {
        while (left > 1) {
            Py_ssize_t half = left >> 1;
            Level *later = first + half;
            first = UNFORESEEN(later[-1].key < key) ? later : first;
            left -= half;
        }
        return first + (first->key < key);
    }

    /* Since 3.14 a tuple remembers its hash; -1 says that it is not known yet. */
    static void forget_hash(PyObject *tuple)
    {
    #if PY_VERSION_HEX >= 0x030E0000
        ((PyTupleObject *)tuple)->ob_hash = -1;
    #endif
    }
    """
    ctypedef struct Level:
        int64_t key  # the price times the sign, so that keys ascend towards the best
        int64_t quantity
        int64_t scale  # of the quantity
    Level* first_not_below(Level* first, Py_ssize_t left, int64_t key) noexcept
    void prefetch(PyObject*) noexcept
    void forget_hash(PyObject*) noexcept


@final
cdef class Side:
    """Levels of one side; see `PureBookSide` for the methods."""

    cdef int64_t sign
    cdef Level* levels
    cdef Py_ssize_t count, room
    cdef int scale
    cdef object pure
    """The pure side, while it has taken over."""
    cdef Level seen
    cdef object seen_level, seen_numbers
    """Best level as last read, with its source and type of numbers."""

    def __cinit__(self, int sign):
        self.sign = sign

    def __dealloc__(self):
        PyMem_Free(self.levels)

    # Changing it

    def load(self, levels):
        cdef Py_ssize_t size = len(levels)
        cdef Number* numbers = <Number*>_room(2 * size, sizeof(Number))
        try:
            self.pure, self.count, self.scale, self.seen_level = None, 0, 0, None
            if not self.fill(levels, numbers, size):
                self.count = 0
                self.pure = _PureSide(self.sign)
                self.pure.load(levels)
        finally:
            PyMem_Free(numbers)

    cdef bint fill(self, levels, Number* numbers, Py_ssize_t size) except -1:
        """Load a snapshot, usually best price first; return False for a number that does not fit."""
        cdef Py_ssize_t i = 0
        cdef int scale = 0, quantity_scale = 0
        cdef Number* price
        cdef Number* quantity
        cdef Level* level
        for item in levels:
            if i == size or not _read_pair(item, &numbers[2 * i], &numbers[2 * i + 1]):
                return False
            scale = max(scale, numbers[2 * i].scale)
            quantity_scale = max(quantity_scale, numbers[2 * i + 1].scale)
            i += 1
        self.reserve(size)
        self.scale = scale
        for i in range(size - 1, -1, -1):
            price, quantity = &numbers[2 * i], &numbers[2 * i + 1]
            if price.value < 1 or not _rescale(price, scale) or not _rescale(quantity, quantity_scale):
                return False
            level = &self.levels[self.count]
            level.key, level.quantity, level.scale = price.value * self.sign, quantity.value, quantity_scale
            if i < size - 1 and level.key <= numbers[2 * i + 2].value * self.sign:  # which is the one before
                return self.fill_unsorted(numbers, size, quantity_scale)
            if quantity.value:
                self.count += 1
        return True

    cdef bint fill_unsorted(self, Number* numbers, Py_ssize_t size, int quantity_scale) except -1:
        """Load levels in any order; of equal prices the last counts."""
        cdef Py_ssize_t i
        self.count = 0
        for i in range(size):
            if not _rescale(&numbers[2 * i + 1], quantity_scale):
                return False
            if not self.change(numbers[2 * i], numbers[2 * i + 1]):
                return False
        return True

    def apply(self, levels):
        cdef Number price, quantity
        cdef int done = 1
        if self.pure is None:
            if type(levels) is Packed:
                done = self.apply_packed(<Packed>levels)
            else:
                if type(levels) is list:
                    _fetch_texts(<list>levels)
                for item in levels:
                    if not _read_pair(item, &price, &quantity, True) or not self.change(price, quantity):
                        done = 0
                        break
            if done:
                return
            self.hand_over()
        self.pure.apply(levels)

    cdef bint apply_packed(self, Packed packed) except -1:
        cdef Bytes at = <Bytes><const char*>packed.data
        cdef Bytes end = at + len(packed.data)
        cdef Pair pair
        cdef Number price, quantity
        while at < end:
            at = _next_pair(at, &pair)
            if not _read_number(pair.first, pair.first_size, &price):
                return False
            if not _read_number(pair.second, pair.second_size, &quantity):
                return False
            if not self.change(price, quantity):
                return False
        return True

    cdef bint change(self, Number price, Number quantity) except -1:
        """Apply one level; return False if it does not fit."""
        cdef int64_t key = price.value
        cdef int finer = price.scale - self.scale
        cdef Level* place
        cdef Level* end
        if key < 1:
            return False
        if finer > 0 and key % _power[finer] and not self.refine(finer):
            return False
        finer = price.scale - self.scale
        if finer > 0:
            key //= _power[finer]
        elif finer and not _grows(&key, -finer):
            return False
        key *= self.sign
        place, end = self.place_of(key), self.levels + self.count
        if place < end and place.key == key:
            if quantity.value:
                place.quantity, place.scale = quantity.value, quantity.scale
            else:
                self.count -= 1
                memmove(place, place + 1, <char*>end - <char*>(place + 1))
        elif quantity.value:
            if self.count == self.room:
                self.reserve(self.count + 1)
                place, end = self.place_of(key), self.levels + self.count
            memmove(place + 1, place, <char*>end - <char*>place)
            place.key, place.quantity, place.scale = key, quantity.value, quantity.scale
            self.count += 1
        return True

    cdef inline Level* place_of(self, int64_t key) noexcept:
        """Return the place of a key, or the place to insert it."""
        cdef Level* near = self.levels + self.count - NEAR
        if self.count > NEAR and near.key < key:  # as most changed levels are
            return first_not_below(near, NEAR, key)
        return first_not_below(self.levels, self.count, key) if self.count else self.levels

    cdef bint refine(self, int decimals) except -1:
        """Rescale the keys for prices with more decimals; return False if they do not fit."""
        cdef Py_ssize_t i
        cdef int64_t first, last
        if self.count:
            first, last = self.levels[0].key, self.levels[self.count - 1].key
            if not _grows(&first, decimals) or not _grows(&last, decimals):
                return False
        for i in range(self.count):
            self.levels[i].key *= _power[decimals]
        self.scale += decimals
        self.seen_level = None
        return True

    cdef int reserve(self, Py_ssize_t count) except -1:
        """Reserve room for so many levels."""
        cdef void* room
        if count > self.room:
            count += count // 4 + 16
            room = PyMem_Realloc(self.levels, count * sizeof(Level))
            if room == NULL:
                raise MemoryError
            self.levels, self.room = <Level*>room, count
        return 0

    cdef int hand_over(self) except -1:
        """Let the pure side take over."""
        cdef Py_ssize_t i
        quantities = {}
        for i in range(self.count):
            quantities[self.levels[i].key] = _text_of(self.levels[i].quantity, self.levels[i].scale)
        pure = _PureSide(self.sign)
        pure.take_over(self.scale, quantities)
        self.pure, self.count, self.seen_level = pure, 0, None
        return 0

    # Reading it

    def best_price(self):
        if self.pure is not None:
            return self.pure.best_price()
        return (self.levels[self.count - 1].key * self.sign, self.scale) if self.count else None

    def best(self, numbers):
        cdef Level level
        if self.pure is not None:
            return self.pure.best(numbers)
        if not self.count:
            return None
        level = self.levels[self.count - 1]
        if self.seen_level is None or numbers is not self.seen_numbers or level.key != self.seen.key:
            found = self.level(_number_of(level.key * self.sign, self.scale, numbers[0]), level, numbers[0])
        elif level.quantity != self.seen.quantity or level.scale != self.seen.scale:
            found = self.level(<object>PyTuple_GET_ITEM(self.seen_level, 0), level, numbers[0])
        else:
            return self.seen_level
        self.seen, self.seen_level, self.seen_numbers = level, found, numbers
        return found

    def read(self, numbers):
        return self.pure.read(numbers) if self.pure is not None else self.each(numbers[0])

    def each(self, from_text):
        """Yield the levels, best first; a change meanwhile may make others be left out or repeated."""
        cdef Py_ssize_t i = self.count
        cdef Level level
        while i > 0:
            i = min(i, self.count) - 1
            if i < 0:
                return
            level = self.levels[i]
            yield self.level(_number_of(level.key * self.sign, self.scale, from_text), level, from_text)

    cdef object level(self, price, Level level, from_text):
        return _book_level(price, _number_of(level.quantity, level.scale, from_text))


cdef inline object _book_level(price, quantity):
    """A `BookLevel` for a fifth of the cost of calling it."""
    made = <object>alloc(<PyObject*>_BookLevel, 2)
    Py_DECREF(<PyObject*>made)
    forget_hash(<PyObject*>made)
    Py_INCREF(<PyObject*>price)
    PyTuple_SET_ITEM(<PyObject*>made, 0, <PyObject*>price)
    Py_INCREF(<PyObject*>quantity)
    PyTuple_SET_ITEM(<PyObject*>made, 1, <PyObject*>quantity)
    return made


cdef void _fetch_texts(list levels) noexcept:
    """Prefetch all texts at once: waiting for each is a fifth of an update."""
    cdef Py_ssize_t i
    cdef PyObject* item
    for i in range(len(levels)):
        item = PyList_GET_ITEM(levels, i)
        if type(<object>item) is tuple and len(<tuple>item) == 2:
            prefetch(PyTuple_GET_ITEM(<object>item, 0))
            prefetch(PyTuple_GET_ITEM(<object>item, 1))


cdef bint _read_pair(item, Number* price, Number* quantity, bint may_be_blank=False) except -1:
    """Read a level's texts; return False for text that is not a number or does not fit."""
    if type(item) is tuple and len(<tuple>item) == 2:  # borrowed from it: half the cost of unpacking
        return _read_texts(<object>PyTuple_GET_ITEM(item, 0), <object>PyTuple_GET_ITEM(item, 1), price, quantity, may_be_blank)
    first, second = item if type(item) is list else (item.price_text, item.quantity_text)
    return _read_texts(first, second, price, quantity, may_be_blank)


cdef inline bint _read_texts(first, second, Number* price, Number* quantity, bint may_be_blank) except -1:
    if not _read_text(first, price):
        return False
    if may_be_blank and type(second) is str and not second:
        quantity.value = quantity.scale = 0
        return True
    return _read_text(second, quantity)


cdef inline bint _read_text(text, Number* number) except -1:
    if type(text) is not str or not PyUnicode_IS_ASCII(text):
        return False
    return _read_number(<Bytes>PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(<PyObject*>text), number)
