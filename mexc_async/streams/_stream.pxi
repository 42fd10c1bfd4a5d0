# A push's way from its frame to those who consume its channel.


@final
cdef class Dispatch:
    """What `Hub.decode` and `Hub.deliver` do with an ordinary push of a public channel; all others are left to them."""

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
        """Whether the push was handed to everyone who consumes its channel."""
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
        except Exception:  # told by who decodes it again
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
