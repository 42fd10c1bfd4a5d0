# HMAC-SHA256 by libcrypto's SHA-256 over stored states: Python's hash objects would take four fifths of the time.

import _hashlib
import hmac as _standard

cdef extern from *:
    """
    #ifdef _WIN32
    static void *library_function(const char *library, const char *name) { return 0; }
    #else
    #include <dlfcn.h>
    /* A function of a library that is loaded already, or of one that it is linked to. */
    static void *library_function(const char *library, const char *name)
    {
        void *found = 0, *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
        if (handle) {
            found = dlsym(handle, name);
            dlclose(handle);
        }
        return found;
    }
    #endif

    static void forget(void *at, size_t size)
    {
        volatile unsigned char *bytes = at;
        while (size--) *bytes++ = 0;
    }
    """
    void* library_function(const char* library, const char* name) nogil
    void forget(void* at, size_t size) nogil

ctypedef int (*Init)(void*)
ctypedef int (*Update)(void*, const void*, size_t)
ctypedef int (*Final)(unsigned char*, void*)

cdef union State:
    unsigned char bytes[128]  # SHA256_CTX has 112 in every libcrypto so far; the import checks it below
    unsigned long long aligned

cdef Init _init = NULL
cdef Update _update = NULL
cdef Final _final = NULL
cdef const char* _HEX = "0123456789abcdef"


@final
cdef class Hmac:
    """Signer with one key. Holds hash states only, and erases them at its end."""

    cdef State inner, outer

    def __cinit__(self, bytes inner not None, bytes outer not None):
        """Take the key's two blocks of 64 bytes, for the inner and the outer hash."""
        if _init == NULL or len(inner) != 64 or len(outer) != 64:
            raise ValueError("no SHA-256, or not its block")
        _init(self.inner.bytes)
        _update(self.inner.bytes, <const char*>inner, 64)
        _init(self.outer.bytes)
        _update(self.outer.bytes, <const char*>outer, 64)

    def __dealloc__(self):
        forget(&self.inner, sizeof(State))
        forget(&self.outer, sizeof(State))

    cdef void write(self, const unsigned char* message, Py_ssize_t size, unsigned char* digits) noexcept:
        cdef State state = self.inner
        cdef unsigned char digest[32]
        cdef int i
        _update(state.bytes, message, size)
        _final(digest, state.bytes)
        state = self.outer
        _update(state.bytes, digest, 32)
        _final(digest, state.bytes)
        for i in range(32):
            digits[2 * i] = _HEX[digest[i] >> 4]
            digits[2 * i + 1] = _HEX[digest[i] & 15]

    def sign(self, bytes message not None):
        """Return the signature: 64 lower-case hex digits."""
        text = PyUnicode_New(64, 127)
        self.write(message, len(message), PyUnicode_1BYTE_DATA(text))
        return text

    def signed(self, str path not None, str query not None):
        """Return path and query with the query's signature."""
        if not PyUnicode_IS_ASCII(path) or not PyUnicode_IS_ASCII(query):
            return f"{path}?{query}&signature={self.sign(query.encode())}"
        cdef Py_ssize_t before = PyUnicode_GET_LENGTH(<PyObject*>path), size = PyUnicode_GET_LENGTH(<PyObject*>query)
        text = PyUnicode_New(before + size + 76, 127)
        cdef unsigned char* out = PyUnicode_1BYTE_DATA(text)
        memcpy(out, PyUnicode_1BYTE_DATA(path), before)
        out[before] = 63  # ?
        memcpy(out + before + 1, PyUnicode_1BYTE_DATA(query), size)
        memcpy(out + before + 1 + size, b"&signature=", 11)
        self.write(PyUnicode_1BYTE_DATA(query), size, out + before + size + 12)
        return text

    def __repr__(self):
        return "Hmac(***)"

    def __reduce__(self):
        raise TypeError("an Hmac stands for a secret and is not pickled")


cdef bint _find_sha256() except -1:
    """Find the functions in the libcrypto of `hashlib`; False if they are missing or give wrong results."""
    global _init, _update, _final
    path = (getattr(_hashlib, "__file__", None) or "").encode()
    _init = <Init>library_function(path, "SHA256_Init")
    _update = <Update>library_function(path, "SHA256_Update")
    _final = <Final>library_function(path, "SHA256_Final")
    if _init == NULL or _update == NULL or _final == NULL:
        return False
    cdef State states[8]
    memset(states, 0xA5, sizeof(states))
    _init(states[0].bytes)
    _update(states[0].bytes, b"x", 1)
    if any([byte != 0xA5 for byte in states[0].bytes[112:128] + states[1].bytes[:128]]):
        faults.append("the state of libcrypto's SHA-256 takes more than 112 bytes: Python signs")
        return False
    key = bytes(range(64))
    signer = Hmac(bytes(b ^ 0x36 for b in key), bytes(b ^ 0x5C for b in key))
    messages = [b"", b"symbol=BTCUSDT", bytes(range(256)) * 3]
    if any([signer.sign(message) != _standard.new(key, message, "sha256").hexdigest() for message in messages]):
        faults.append("libcrypto's SHA-256 signs otherwise than Python's hmac: Python signs")
        return False
    return True


has_sha256 = _find_sha256()
