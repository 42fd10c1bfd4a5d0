# Buckets over a ring of C doubles, and the gate of a route: a call that need not wait passes without a Python object.
# `bucket.py` and `gate.py` document both.

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject as _Object
from libc.math cimport INFINITY
from time import monotonic as _monotonic

cdef extern from *:
    """
    /* The clock that time.monotonic() reads, and the same double. */
    #if PY_VERSION_HEX >= 0x030D0000
    #define HAS_CLOCK 1
    static double clock_s(void) { PyTime_t t; PyTime_Monotonic(&t); return PyTime_AsSecondsDouble(t); }
    #elif defined(__linux__)
    #include <time.h>
    #define HAS_CLOCK 1
    static double clock_s(void)
    {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)(t.tv_sec * 1000000000LL + t.tv_nsec) / 1e9;
    }
    #else
    #define HAS_CLOCK 0
    static double clock_s(void) { return 0; }
    #endif

    /* Milliseconds since 1970, UTC; -1 where Python has to read them. */
    #ifdef _WIN32
    static long long wall_clock_ms(void) { return -1; }
    #else
    #include <time.h>
    static long long wall_clock_ms(void)
    {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
    }
    #endif
    """
    const bint HAS_CLOCK
    double clock_s() noexcept
    long long wall_clock_ms() noexcept nogil

cdef bint _reads_clock = HAS_CLOCK
if HAS_CLOCK and not _monotonic() <= clock_s() <= _monotonic():
    _reads_clock = False
    faults.append("time.monotonic() reads another clock than the system's: Python reads it")


cdef inline double monotonic_s() noexcept:
    """Return the time of `time.monotonic()`, in seconds."""
    return clock_s() if _reads_clock else <double>_monotonic()


cdef enum:
    UNCLAIMED = 99
    FEW = 20

cdef double USUAL_S = 0.5

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
    cdef readonly Py_ssize_t held
    cdef double* ring  # the next to return is at `first`; `room` is a power of two
    cdef Py_ssize_t first, size, room

    def __cinit__(self, name, budget, double period_s):
        self.name, self.budget, self.most, self.period_s = name, budget, budget, period_s
        self.closed_until, self.claimed_by = -INFINITY, UNCLAIMED
        self.reserve(8)

    def __dealloc__(self):
        PyMem_Free(self.ring)

    @property
    def used(self):
        return self.held + self.size

    cdef inline double* at(self, Py_ssize_t i) noexcept:
        return self.ring + ((self.first + i) & (self.room - 1))

    cdef int reserve(self, Py_ssize_t more) except -1:
        """Make room for `more` entries."""
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
        """Return True if `weight` fits now; removes only as many returned tokens as this needs."""
        while self.held + self.size + weight > self.most:
            if self.size == 0 or self.at(0)[0] > now:
                return False
            self.first = (self.first + 1) & (self.room - 1)
            self.size -= 1
        return True

    cdef inline void hold(self, Py_ssize_t weight) noexcept:
        """`take`."""
        if self.most != INFINITY:
            self.held += weight

    cdef inline int give_back(self, Py_ssize_t weight) except -1:
        """`put_back`."""
        if self.most != INFINITY:
            if self.held < weight:
                raise ValueError(f"more of limit {self.name} comes back than was taken")
            self.held -= weight
        return 0

    cdef inline double over(self, Py_ssize_t weight, double counts_at) except? -1:
        """`end`."""
        cdef double back_at = counts_at + self.period_s
        cdef Py_ssize_t i, index
        self.give_back(weight)
        if self.period_s == INFINITY:
            back_at = -INFINITY
        elif self.most != INFINITY:
            if self.size + weight > self.room:
                self.reserve(weight)
            index = self.size
            while index and self.at(index - 1)[0] > back_at:  # the request outlasted later ones
                index -= 1
                self.at(index + weight)[0] = self.at(index)[0]
            for i in range(index, index + weight):
                self.at(i)[0] = back_at
            self.size += weight
        return INFINITY if self.claimed_by == UNCLAIMED else back_at

    def wait(self, Py_ssize_t weight, double now):
        cdef double closed = self.closed_until - now, until
        cdef Py_ssize_t missing
        self.settle(now)
        if self.held + self.size + weight <= self.most:
            return max(closed, 0.0)
        missing = self.held + self.size + weight - <Py_ssize_t>self.most
        if missing > self.size:
            return INFINITY
        until = self.at(missing - 1)[0] - now
        return max(closed, until)

    cpdef void settle(self, double now) noexcept:
        while self.size and self.at(0)[0] <= now:
            self.first = (self.first + 1) & (self.room - 1)
            self.size -= 1

    def take(self, Py_ssize_t weight):
        self.hold(weight)

    def put_back(self, Py_ssize_t weight):
        self.give_back(weight)

    def end(self, Py_ssize_t weight, double counts_at):
        return self.over(weight, counts_at)


@final
cdef class Duration:
    """`PureDuration` of `gate.py`."""

    cdef readonly Py_ssize_t known
    cdef readonly double least_s
    cdef double until

    def __cinit__(self):
        self.least_s, self.until = INFINITY, -INFINITY

    cdef inline void count(self, double sent_at, double now) noexcept:
        cdef double took_s = now - sent_at
        if took_s < self.least_s:
            self.least_s = took_s
        elif sent_at >= self.until:
            self.least_s += min((took_s - self.least_s) * 0.001, 0.000_01)
        if sent_at >= self.until:
            self.known += 1
            self.until = now

    cdef inline double usual_s(self) noexcept:
        return self.least_s if self.known > FEW and self.least_s <= USUAL_S else 0.0


@final
cdef class Gate:
    """`PureGate` of `gate.py`."""

    cdef readonly object route, plan
    cdef public Py_ssize_t requests, waited
    cdef public double waited_s
    cdef object queue, clock, limiter
    cdef readonly bint is_monotonic
    cdef double margin_s, late_s, longest_way_s
    cdef Duration own, all_of
    cdef int priority
    cdef tuple costs  # holds the tolls' buckets
    cdef Toll* tolls
    cdef Py_ssize_t count

    def __cinit__(self, route, queue, clock, limiter, Duration all_of not None):
        self.route, self.queue, self.clock, self.limiter, self.all_of = route, queue, clock, limiter, all_of
        self.plan = queue.plan(route)
        self.is_monotonic = clock is _monotonic
        self.margin_s = queue.limits.margin_s
        self.late_s = self.margin_s / 4
        self.longest_way_s = queue.limits.longest_way_s
        self.own = Duration()
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
            (<Bucket>self.tolls[i].bucket).hold(self.tolls[i].weight)
        self.requests += 1
        return True

    cpdef double sent(self, double taken_at) except? -1:
        cdef double now = self.now()
        return taken_at if now - taken_at <= self.late_s else now

    cpdef double release(self, double sent_at, bint is_answered=True) except? -1:
        cdef double now = self.now(), counts_at, took_s, soonest = INFINITY
        cdef Py_ssize_t i
        if not is_answered:
            counts_at = max(now, sent_at + self.longest_way_s)
        else:
            took_s = now - sent_at
            counts_at = took_s - (self.own if self.own.known > FEW else self.all_of).usual_s() - self.margin_s / 2
            counts_at = sent_at + max(counts_at, 0.0)
            self.own.count(sent_at, now)
            self.all_of.count(sent_at, now)
        for i in range(self.count):
            soonest = min(soonest, (<Bucket>self.tolls[i].bucket).over(self.tolls[i].weight, counts_at))
        if soonest != INFINITY and soonest < <double>self.queue.wake_at:
            self.limiter.serve()
        return now

    def try_acquire(self, double now):
        return self.enter(now)

    async def acquire(self, max_wait_s=None):
        cdef double now = self.now()
        if self.enter(now):
            return now
        granted_at = await self.limiter.wait(self, self.queue.wait(self.plan, now), now, max_wait_s)
        self.requests += 1
        return granted_at

    cpdef put_back(self):
        self.requests -= 1
        self.queue.put_back(self.plan)
        if self.queue.waiting:
            self.limiter.serve()
