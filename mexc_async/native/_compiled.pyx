# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False
"""The hot functions in C. Each has the results of its pure twin, and leaves unusual cases to it.

Read the twins first: `signing.py`, `protobuf.py`, `side.py`, `query.py`, `http1.py`, `bucket.py`, `gate.py`,
`connection.py`, `call.py`, `pipeline.py` and `appender.py` document the behaviour; the code here is only faster.
"""

from cython cimport final
from libc.stdlib cimport getenv
from libc.string cimport memchr, memcmp, memcpy, memset

if getenv("MEXC_ASYNC_PURE") != NULL and getenv("MEXC_ASYNC_PURE")[0]:
    raise ImportError("MEXC_ASYNC_PURE is set")

faults = []

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    unsigned char* PyUnicode_1BYTE_DATA(object text)

cdef inline object _new_text(const unsigned char* at, Py_ssize_t size):
    """Make a text of ASCII bytes."""
    text = PyUnicode_New(size, 127)
    memcpy(PyUnicode_1BYTE_DATA(text), at, size)
    return text

include "../rest/_hmac.pxi"
include "../schema/_wire.pxi"
include "../books/_number.pxi"
include "../books/_side.pxi"
include "../schema/_query.pxi"
include "../rest/_order.pxi"
include "../limits/_limits.pxi"
include "../transport/_lane.pxi"
include "../rest/_express.pxi"
include "../call_log/_appender.pxi"
include "../streams/_stream.pxi"
include "_assumptions.pxi"
