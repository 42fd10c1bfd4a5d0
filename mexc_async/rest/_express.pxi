# The fast path of a call over the order lane, from the limits to the typed answer: the first attempt of
# `Api.carry_out`. A call that meets anything unusual before it is sent goes to `carry_out` instead; the end of a sent
# call is reported as it is there.

from mexc_async.errors import MexcError as _MexcError


@final
cdef class Call:
    """`PureCall` of `call.py`."""

    cdef public object route, given, kind, client_order_id, via, check, done, carrier
    cdef public long long stamped_ms, number
    cdef public double asked_s, sent_s, ended_s

    def __init__(self, route, given, kind, client_order_id=None, via=None, check=None):
        self.route, self.given, self.kind = route, given, kind
        self.client_order_id, self.via, self.check = client_order_id, via, check


@final
cdef class Line:
    """A `RoutePlan` over the lane, with the constant parts of its requests."""

    cdef object plan, route, kind, decode
    cdef Gate gate
    cdef bytes head, tail


@final
cdef class _Connected:
    """`on_connected` of `Api._attempt`."""

    cdef Call call
    cdef Gate gate
    cdef double taken_at

    def __cinit__(self, Call call, Gate gate, double taken_at):
        self.call, self.gate, self.taken_at = call, gate, taken_at

    def __call__(self, carrier):
        self.call.carrier = carrier
        self.call.sent_s = self.gate.sent(self.taken_at)


@final
cdef class Started:
    """A call that has passed the limits and is written next, without a task switch in between."""

    cdef Express express
    cdef Line line
    cdef Call call
    cdef object options
    cdef double taken_at

    def write(self):
        """Write the request; return the future of the reply."""
        return self.express.sent(self.line, self.call, self.options, self.taken_at)

    def give_up(self):
        """Free the tokens: the call is not sent after all."""
        self.line.gate.put_back()

    def answer(self, reply):
        """Decode the reply that `reply()` returns. Raises the error in it."""
        cdef Gate gate = self.line.gate
        cdef Call call = self.call
        status = failure = answer = None
        try:
            try:
                reply = reply()
            except BaseException:
                self.express.api.unanswered(call, gate)
                raise
            call.ended_s = gate.release(call.sent_s)
            status = _slot(reply, self.express.status_at)
            answer = self.express.value(self.line, call, reply)
            return answer
        except _MexcError as error:
            failure = error.at(self.line.route.method, self.line.route.path)
            raise
        finally:
            self.express.report(call, self.taken_at, status, failure, answer)


@final
cdef class Express:
    """Fast path of one client and one key; `carry_out` is `Api.carry_out`."""

    cdef object api, lane, clock, hooks, order_type, forms, decoder_of, result_type, order_kind, options, timeout_s, window, form_window, window_ms_of
    cdef double patience_s
    cdef long long window_ms
    cdef dict lines
    cdef list idle
    cdef Line latest
    cdef Hmac hmac
    cdef Form form
    cdef object middle, end  # the constant text of orders of the latest form
    cdef Py_ssize_t status_at, body_at

    def __init__(self, api, lane, Hmac hmac, order_type, reply_type, forms, decoder_of, result_type, window_ms):
        """Take `forms`, the known forms of orders of `trading.py`; the last three are functions of their names."""
        self.api, self.lane, self.hmac, self.order_type = api, lane, hmac, order_type
        self.forms, self.decoder_of, self.result_type = forms, decoder_of, result_type
        self.window_ms_of = window_ms
        self.order_kind = result_type(order_type)
        self.clock, self.hooks, self.idle, self.lines = api.clock, api.hooks, lane.ready, {}
        self.form = Form(order_type)
        self.status_at, self.body_at = slot_offset(reply_type.status), slot_offset(reply_type.body)

    def deliver(self, request, options):
        """`Api.deliver`."""
        cdef Call call = Call.__new__(Call)
        call.route, call.given = request.route, request
        if not options.raw:
            call.kind = self.order_kind if type(request) is self.order_type else self.result_type(type(request))
        return self.carry_out(call, options)

    async def carry_out(self, Call call not None, options):
        """Carry out a call with its retries."""
        cdef Line line = self.line_of(call, options)
        cdef Gate gate
        cdef double now
        if line is not None:
            gate = line.gate
            now = gate.now()
        if line is None or not gate.enter(now):
            return await self.api.carry_out(call, options)
        call.asked_s, call.sent_s = now, 0.0
        status = failure = answer = None
        try:
            try:
                try:
                    reply = await self.sent(line, call, options, now)
                except BaseException:
                    self.api.unanswered(call, gate)
                    raise
                call.ended_s = gate.release(call.sent_s)
                status = _slot(reply, self.status_at)
                answer = self.value(line, call, reply)
                return answer
            except _MexcError as error:
                failure = error.at(line.route.method, line.route.path)
                raise
            finally:
                self.report(call, now, status, failure, answer)
        except _MexcError as error:
            return await self.api.recover(call, options, error)

    def begin(self, Call call not None, options):
        """Pass the limits with a call that can be sent at once; return None for any other."""
        cdef Line line = self.line_of(call, options)
        cdef Started started
        cdef double now
        if line is None:
            return None
        now = line.gate.now()
        if not line.gate.enter(now):
            return None
        call.asked_s, call.sent_s = now, 0.0
        started = Started.__new__(Started)
        started.express, started.line, started.call, started.options, started.taken_at = self, line, call, options, now
        return started

    cdef int report(self, Call call, double now, status, failure, answer) except -1:
        """Report an attempt to the call log and the listeners, if any."""
        if self.api.recorder is not None or self.hooks.listeners:
            self.api.report(call, 1, (now, now), status, failure, answer)
        return 0

    cdef Line line_of(self, Call call, options):
        """Return the call's line if it can be sent at once; else None."""
        cdef Line line = self.latest
        if call.via is not None or self.api.is_closed or not self.clock.is_synced or not self.idle:
            return None
        if line is None or line.route is not call.route:
            line = self.lines.get(id(call.route))
            if line is None or line.route is not call.route:
                line = self.new_line(call.route)
                if line is None:
                    return None
            self.latest = line
        if options is not self.options:
            self.options, self.window = options, options.recv_window_ms
            self.window_ms = self.window_ms_of(options)
            self.timeout_s = options.timeout_s
            self.patience_s = self.lane.timeout_s if self.timeout_s is None else self.timeout_s
        return line

    cdef Line new_line(self, route):
        cdef Line line = Line()
        plan = self.api.admit(route)
        if not plan.is_signed or route.json_body or plan.transport is not self.lane or type(plan.gate) is not Gate:
            return None
        line.plan, line.route, line.gate = plan, route, plan.gate
        start, end = self.lane.framed(plan.method, plan.headers)
        line.head, line.tail = f"{start}{plan.path}?".encode(), end.encode()
        if len(self.lines) > 100:
            self.lines.clear()
        self.lines[id(route)] = line
        return line

    cdef object sent(self, Line line, Call call, options, double now):
        """Stamp, sign and write a call; return the future of the reply."""
        cdef Wire wire
        cdef bytes data
        cdef long long stamped_ms
        ahead = self.api.ahead
        if (
            type(call.given) is self.order_type
            and self.hmac is not None
            and (not ahead or call.client_order_id not in ahead)
        ):
            if call.check is not None:
                call.check()
            wire = self.idle[len(self.idle) - 1] if self.idle else None
            if wire is not None and (wire.is_surely_fit(now) or wire.is_fit(now)):
                stamped_ms = <long long>(now * 1000.0 + <double>self.clock.offset.offset_ms)
                data = self.written(line, call.given, stamped_ms)
                if data is not None:
                    recorder = self.api.recorder
                    if recorder is not None:  # recorded before it is sent, or not sent
                        recorder.sending(call, 1, stamped_ms, stamped_ms + self.window_ms)
                        now = line.gate.sent(now)
                    if self.idle and self.idle[len(self.idle) - 1] is wire:
                        self.idle.pop()
                    else:
                        self.idle.remove(wire)
                    call.stamped_ms, call.sent_s, call.carrier = stamped_ms, now, wire
                    return wire.request(data, self.patience_s, now)
        target = self.api.target(call, options, 1, line.plan)
        return self.lane.send(line.plan.method, target, line.plan.headers, self.timeout_s, _Connected(call, line.gate, now))

    cdef bytes written(self, Line line, order, long long stamped_ms):
        """Return an order's signed request; None if the order is unusual."""
        cdef Py_ssize_t head = len(line.head), tail = len(line.tail), size = 0, total
        cdef Py_ssize_t name_size = 0, price_size = 0, quantity_size = 0, middle_size = 0, end_size = 0
        cdef unsigned char digits[20]
        cdef int count = 20
        cdef long long left = stamped_ms
        name_text = _slot(order, self.form.name_at)
        price, quantity = _slot(order, self.form.price_at), _slot(order, self.form.quantity_at)
        if not self.is_form_known(order) or type(price) is not _Decimal or type(quantity) is not _Decimal or left <= 0:
            return None
        price_text, quantity_text = str(price), str(quantity)
        cdef const unsigned char* name = _ascii(name_text, &name_size)
        cdef const unsigned char* p = _plain_digits(price_text, &price_size)
        cdef const unsigned char* q = _plain_digits(quantity_text, &quantity_size)
        cdef const unsigned char* middle = _ascii(self.middle, &middle_size)
        cdef const unsigned char* end = _ascii(self.end, &end_size)
        if name == NULL or p == NULL or q == NULL or middle == NULL or end == NULL or not _is_plain_id(name_text):
            return None
        while left:
            count -= 1
            digits[count] = 48 + left % 10
            left //= 10
        size = 17 + name_size + 7 + price_size + 10 + quantity_size + middle_size + 20 - count + end_size
        total = head + size + 11 + 64 + tail
        made = PyBytes_FromStringAndSize(NULL, total)
        cdef unsigned char* text = <unsigned char*>PyBytes_AS_STRING(made) + head
        cdef unsigned char* at = text
        memcpy(text - head, PyBytes_AS_STRING(line.head), head)
        at = _copied(at, b"newClientOrderId=", 17)
        at = _copied(at, name, name_size)
        at = _copied(at, b"&price=", 7)
        at = _copied(at, p, price_size)
        at = _copied(at, b"&quantity=", 10)
        at = _copied(at, q, quantity_size)
        at = _copied(at, middle, middle_size)
        at = _copied(at, digits + count, 20 - count)
        at = _copied(at, end, end_size)
        at = _copied(at, b"&signature=", 11)
        self.hmac.write(text, size, at)
        _copied(at + 64, PyBytes_AS_STRING(line.tail), tail)
        return made

    cdef bint is_form_known(self, order) except -1:
        """Look up the constant text of orders of this form, unless it is the latest one's."""
        if self.middle is not None and self.form_window is self.window and self.form.is_of(order):
            return True
        known = self.forms.get(self.form.take(order))
        common = None if known is None else known.get(self.window)
        self.middle, self.form_window = None, self.window
        if common is None:
            return False
        self.middle, self.end = common
        return True

    cdef object value(self, Line line, Call call, reply):
        """Decode a reply. Raises the error in it."""
        body = _slot(reply, self.body_at)
        if _slot(reply, self.status_at) is _OK and call.kind is not None and not names_code(body):
            if call.kind is not line.kind:
                line.kind, line.decode = call.kind, self.decoder_of(call.kind).decode
            try:
                return line.decode(body)
            except Exception:  # reported below
                pass
        return self.api.value(call, reply)


cdef inline unsigned char* _copied(unsigned char* at, const void* text, Py_ssize_t size) noexcept:
    """Copy text; return its end."""
    memcpy(at, text, size)
    return at + size


cdef inline const unsigned char* _plain_digits(text, Py_ssize_t* size) except? NULL:
    """Return a number's text; NULL if it has an exponent."""
    cdef const unsigned char* at = _ascii(text, size)
    cdef Py_ssize_t i
    for i in range(size[0]):
        if at[i] == 69:  # E
            return NULL
    return at
