# A push's way from its frame to those who consume its channel.


@final
cdef class Dispatch:
    """What `Hub.decode` and `Hub.deliver` do with an ordinary push of a public channel; all others are left to them."""

    cdef Reader reader
    cdef dict inboxes
    cdef set packed
    cdef object on_error
    cdef Py_ssize_t channel_at, body_at, most_bytes

    def __init__(self, Reader reader not None, push_type, dict inboxes not None, set packed not None, on_error, most_bytes):
        self.reader, self.inboxes, self.packed, self.on_error = reader, inboxes, packed, on_error
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
        inboxes = self.inboxes.get(_slot(push, self.channel_at))
        if inboxes is None or unknown or _slot(push, self.body_at) is None:
            return False
        for inbox in <tuple>inboxes:
            try:
                inbox.put(push, now)
            except Exception as error:
                self.on_error(inbox, push, error)
        return True
