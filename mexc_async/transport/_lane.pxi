# The common part of a connection of the order lane: write a request, read an ordinary answer.

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_AS_STRING, PyBytes_GET_SIZE



cdef object _OK = 200


cdef class Wire:
    """`PureWire` of `connection.py`; `read` there takes everything but one whole, ordinary answer."""

    cdef public double nearness, used_at, checked_at, heard_at, timeout_s, patience_s
    cdef public object answer, on_end, timer, transport
    cdef public bint is_watched
    cdef readonly list idle
    cdef object new_future, write, reply_type
    cdef Py_ssize_t usual_bytes, status_at, head_at, body_at

    def __init__(self, list idle not None, new_future, reply_type, Py_ssize_t usual_bytes, double patience_s, double now):
        """Take the arguments of `PureWire`."""
        self.idle, self.new_future, self.reply_type = idle, new_future, reply_type
        self.usual_bytes, self.patience_s = usual_bytes, patience_s
        self.nearness = self.checked_at = -float("inf")
        self.used_at = now
        self.heard_at = self.timeout_s = 0.0
        self.is_watched = False
        self.status_at = slot_offset(reply_type.status)
        self.head_at = slot_offset(reply_type.head)
        self.body_at = slot_offset(reply_type.body)

    def connection_made(self, transport):
        """Store the transport of the open connection."""
        self.transport, self.write = transport, transport.write

    def data_received(self, data):
        """Take bytes: of the answer, or unasked."""
        answer = self.answer
        if answer is None or self.is_watched or type(data) is not bytes or len(<bytes>data) > self.usual_bytes:
            self.read(data)
            return
        body = ordinary_body(<bytes>data)
        if body is None or names_code(<bytes>body) or answer.done():  # done if its caller was cancelled
            self.read(data)
            return
        self.answer = None
        answer.set_result(self.reply(<bytes>data, body))
        self.free()
        if self.on_end is not None:
            self.ended(True)

    cdef inline reply(self, bytes data, body):
        """Make a `Reply` of status 200."""
        cdef PyObject* made = alloc(<PyObject*>self.reply_type, 0)
        reply = <object>made
        Py_DECREF(made)
        self.put(made, self.status_at, _OK)
        self.put(made, self.head_at, data)
        self.put(made, self.body_at, body)
        return reply

    cdef inline void put(self, PyObject* made, Py_ssize_t at, value) noexcept:
        Py_INCREF(<PyObject*>value)
        set_slot(made, at, <PyObject*>value)

    cpdef free(self):
        """Offer the connection for the next request."""
        cdef list idle = self.idle
        cdef Py_ssize_t at = len(idle)
        while at and (<Wire>idle[at - 1]).nearness > self.nearness:
            at -= 1
        idle.insert(at, self)

    cdef inline bint is_surely_fit(self, double now) except -1:
        """Return True if it is open and was used so recently that it need not be polled (`is_fit` polls)."""
        return now - self.used_at < 1.0 and not self.transport.is_closing()

    cpdef request(self, data, double timeout_s, double now):
        """Write a request; return the future of its answer."""
        answer = self.new_future()
        self.answer = answer
        self.used_at = now
        self.timeout_s = timeout_s
        if self.timer is None or timeout_s < self.patience_s:
            self.watch(min(timeout_s, self.patience_s))
        self.write(data)
        return answer
