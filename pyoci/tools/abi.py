"""Write `pyoci/_abi.py`: the one call of libsystemd that `--systemd-log` needs.

Run by `just generate`.  systemd/sd-journal.h, sys/uio.h.
"""

import pathlib

from cffi import FFI

ffi = FFI()
ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    int sd_journal_sendv(const struct iovec *iov, int n);
    """
)
ffi.set_source("pyoci._abi", None)

if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    ffi.emit_python_code(str(here.parent / "src/pyoci/_abi.py"))
