# A limit's ledger as a ring of C doubles, and a route's way through its limits: a call that waits for nothing passes
# without a Python object. `bucket.py` and `gate.py` say what is done here.

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject as _Object
from libc.math cimport INFINITY
from time import monotonic as _monotonic

cdef extern from *:
    """
    /* What time.monotonic() calls, and the same double. */
    #if PY_VERSION_HEX >= 0x030D0000
    static double monotonic_s(void) { PyTime_t t; PyTime_Monotonic(&t); return PyTime_AsSecondsDouble(t); }
    #else
    static double monotonic_s(void) { return (double)_PyTime_GetMonotonicClock() / 1e9; }
    #endif
    """
    double monotonic_s() noexcept

cdef enum:
    UNCLAIMED = 99
    FEW = 20

cdef struct Toll:
    _Object* bucket
    Py_ssize_t weight


@final
cdef class Bucket:
    """`PureBucket` of `bucket.py`."""

    cdef readonly object name, budget
    cdef readonly double period_s
    cdef public double closed_until
    cdef public int claimed_by
    cdef double most
    cdef double* ring  # the next to come back is at `first`; `room` is a power of two
    cdef Py_ssize_t first, size, room

    def __cinit__(self, name, budget, double period_s):
        self.name, self.budget, self.most, self.period_s = name, budget, budget, period_s
        self.closed_until, self.claimed_by = -INFINITY, UNCLAIMED
        self.reserve(8)

    def __dealloc__(self):
        PyMem_Free(self.ring)

    @property
    def used(self):
        return self.size

    cdef inline double* at(self, Py_ssize_t i) noexcept:
        return self.ring + ((self.first + i) & (self.room - 1))

    cdef int reserve(self, Py_ssize_t more) except -1:
        """Make room for so many more."""
        cdef Py_ssize_t i, room = self.room or 8
        cdef double* ring
        while room < self.size + more:
            room *= 2
        if room == self.room:
            return 0
        ring = <double*>PyMem_Malloc(room * sizeof(double))
        if ring == NULL:
            raise MemoryError
        for i in range(self.size):
            ring[i] = self.at(i)[0]
        PyMem_Free(self.ring)
        self.ring, self.first, self.room = ring, 0, room
        return 0

    cdef inline bint fits(self, Py_ssize_t weight, double now) noexcept:
        """Whether `weight` does now; puts back only what this needs."""
        while self.size + weight > self.most:
            if self.size == 0 or self.at(0)[0] > now:
                return False
            self.first = (self.first + 1) & (self.room - 1)
            self.size -= 1
        return True

    cdef Py_ssize_t not_below(self, double back_at, bint or_equal) noexcept:
        """Index of the first that comes back at that time or later; with `or_equal` later only."""
        cdef Py_ssize_t low = 0, high = self.size, middle
        while low < high:
            middle = (low + high) // 2
            if self.at(middle)[0] < back_at or (or_equal and self.at(middle)[0] == back_at):
                low = middle + 1
            else:
                high = middle
        return low

    cdef inline int spend(self, Py_ssize_t weight, double now) except -1:
        """`take`."""
        cdef double back_at = now + self.period_s
        cdef Py_ssize_t i, index
        if self.most == INFINITY:
            return 0
        if self.size + weight > self.room:
            self.reserve(weight)
        index = self.size
        if index and self.at(index - 1)[0] > back_at:
            index = self.not_below(back_at, True)
            for i in range(self.size - 1, index - 1, -1):
                self.at(i + weight)[0] = self.at(i)[0]
        for i in range(index, index + weight):
            self.at(i)[0] = back_at
        self.size += weight
        return 0

    cdef inline bint vacate(self) except -1:
        """`free`."""
        if self.size == 0:
            raise IndexError("pop from empty list")
        self.size -= 1
        return self.claimed_by != UNCLAIMED

    def wait(self, Py_ssize_t weight, double now):
        cdef double closed = self.closed_until - now, until
        cdef Py_ssize_t missing
        self.settle(now)
        if self.size + weight <= self.most:
            return max(closed, 0.0)
        missing = self.size + weight - <Py_ssize_t>self.most
        if missing > self.size:
            raise IndexError("list index out of range")
        until = self.at(missing - 1)[0] - now
        return max(closed, until)

    cpdef void settle(self, double now) noexcept:
        while self.size and self.at(0)[0] <= now:
            self.first = (self.first + 1) & (self.room - 1)
            self.size -= 1

    def take(self, Py_ssize_t weight, double now):
        self.spend(weight, now)

    def put_back(self, Py_ssize_t weight, double taken_at):
        cdef double back_at = taken_at + self.period_s
        cdef Py_ssize_t i, index = self.not_below(back_at, False), gone = 0
        while gone < weight and index + gone < self.size and self.at(index + gone)[0] == back_at:
            gone += 1
        if gone:
            self.size -= gone
            for i in range(index, self.size):
                self.at(i)[0] = self.at(i + gone)[0]

    def free(self):
        return self.vacate()


@final
cdef class Duration:
    """`PureDuration` of `gate.py`."""

    cdef readonly Py_ssize_t known
    cdef readonly double least_s

    def __cinit__(self):
        self.least_s = INFINITY

    cdef inline void count(self, double took_s) noexcept:
        self.known += 1
        if took_s < self.least_s:
            self.least_s = took_s
        else:
            self.least_s += (took_s - self.least_s) * 0.001


@final
cdef class Gate:
    """`PureGate` of `gate.py`."""

    cdef readonly object route, plan
    cdef public Py_ssize_t requests, waited
    cdef public double waited_s
    cdef object ledger, clock, keeper
    cdef bint is_monotonic
    cdef double margin_s, late_s
    cdef Duration own, all_of
    cdef Bucket connections
    cdef int priority
    cdef tuple costs  # holds the tolls' buckets
    cdef Toll* tolls
    cdef Py_ssize_t count

    def __cinit__(self, route, ledger, clock, keeper, Duration all_of not None):
        self.route, self.ledger, self.clock, self.keeper, self.all_of = route, ledger, clock, keeper, all_of
        self.plan = ledger.plan(route)
        self.is_monotonic = clock is _monotonic
        self.margin_s = ledger.limits.margin_s
        self.late_s = self.margin_s / 4
        self.own = Duration()
        self.connections = ledger.connections
        self.priority = self.plan.priority
        self.costs = self.plan.costs
        self.tolls = <Toll*>PyMem_Malloc(len(self.costs) * sizeof(Toll))
        if self.tolls == NULL:
            raise MemoryError
        cdef Bucket bucket
        for bucket, weight in self.costs:
            self.tolls[self.count] = Toll(<_Object*>bucket, weight)
            self.count += 1

    def __dealloc__(self):
        PyMem_Free(self.tolls)

    cdef inline double now(self) except? -1:
        return monotonic_s() if self.is_monotonic else self.clock()

    cdef bint enter(self, double now) except -1:
        """`try_acquire`."""
        cdef Py_ssize_t i
        cdef Bucket bucket
        for i in range(self.count):
            bucket = <Bucket>self.tolls[i].bucket
            if (
                bucket.claimed_by <= self.priority
                or bucket.closed_until > now
                or not bucket.fits(self.tolls[i].weight, now)
            ):
                return False
        for i in range(self.count):
            (<Bucket>self.tolls[i].bucket).spend(self.tolls[i].weight, now)
        self.requests += 1
        return True

    cpdef double sent(self, double taken_at) except? -1:
        cdef double now = self.now()
        if now - taken_at <= self.late_s:
            return taken_at
        self.ledger.sent_late(self.plan, taken_at, now)
        return now

    cpdef double release(self, double sent_at) except? -1:
        cdef double now = self.now(), took_s = now - sent_at, late_s
        cdef Duration known = self.own if self.own.known > FEW else self.all_of
        late_s = took_s - (known.least_s if known.known > FEW else 0.0) - self.margin_s / 2
        if late_s > 0:
            self.ledger.sent_late(self.plan, sent_at, sent_at + late_s)
        self.own.count(took_s)
        self.all_of.count(took_s)
        if self.connections.vacate():
            self.keeper.serve()
        return now

    def try_acquire(self, double now):
        return self.enter(now)

    async def acquire(self, max_wait_s=None):
        cdef double now = self.now()
        if self.enter(now):
            return now
        granted_at = await self.keeper.wait(self, self.ledger.wait(self.plan, now), now, max_wait_s)
        self.requests += 1
        return granted_at

    cpdef put_back(self, double taken_at):
        self.requests -= 1
        self.ledger.put_back(self.plan, taken_at)
        if self.ledger.waiting:
            self.keeper.serve()
