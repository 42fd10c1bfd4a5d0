# Percent-encoding. A text is checked byte by byte first: nearly none needs it.

from urllib.parse import quote as _quote

cdef bint[128] _stays
for _letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-":
    _stays[ord(_letter)] = True


def escape(text):
    """`escape_pure` of `query.py`."""
    cdef const unsigned char* at
    cdef Py_ssize_t i
    if not isinstance(text, str):
        raise TypeError("no text")
    if PyUnicode_IS_ASCII(text):
        at = PyUnicode_1BYTE_DATA(text)
        for i in range(PyUnicode_GET_LENGTH(<PyObject*>text)):
            if not _stays[at[i]]:
                return _quote(text, safe="")
        return text
    return _quote(text, safe="")
