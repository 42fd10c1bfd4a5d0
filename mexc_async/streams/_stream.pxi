# Fast path of a push from its frame to the subscribers of its channel.


@final
cdef class Dispatch:
    """Same as `Router.decode` and `Router.deliver` for ordinary pushes of public channels; it leaves others to them."""

    cdef Reader reader
    cdef dict subscribers
    cdef set packed
    cdef object on_error
    cdef Py_ssize_t channel_at, body_at, most_bytes

    def __init__(self, Reader reader not None, push_type, dict subscribers not None, set packed not None, on_error, most_bytes):
        self.reader, self.subscribers, self.packed, self.on_error = reader, subscribers, packed, on_error
        self.channel_at, self.body_at = slot_offset(push_type.channel), slot_offset(push_type.body)
        self.most_bytes = most_bytes

    def __call__(self, frame, now):
        """Hand the push to every subscriber of its channel; return False if it needs `Router.decode`."""
        cdef Py_ssize_t size
        if type(frame) is not bytes:
            return False
        size = len(<bytes>frame)
        if not 2 < size <= self.most_bytes:
            return False
        if self.packed and frame[2 : 2 + <unsigned char>(<bytes>frame)[1]] in self.packed:
            return False
        try:
            push, unknown = self.reader.decode(frame)
        except Exception:  # the second decoding reports it
            return False
        subscribers = self.subscribers.get(_slot(push, self.channel_at))
        if subscribers is None or unknown or _slot(push, self.body_at) is None:
            return False
        for subscriber in <tuple>subscribers:
            try:
                subscriber.put(push, now)
            except Exception as error:
                self.on_error(subscriber, push, error)
        return True
