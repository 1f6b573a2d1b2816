"""Write `libcontainer/kernel/_abi.py`: the C declarations of the kernel calls, parsed early.

Run by `just generate`.  Declarations are grouped by header; the structs are the kernel's own and
never change, only grow at the end.
"""

import pathlib

from cffi import FFI

SCHED_H = """
struct clone_args {
    unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
        set_tid, set_tid_size, cgroup;
};
"""
OPENAT2_H = """
struct open_how { unsigned long long flags, mode, resolve; };
"""
MOUNT_H = """
struct mount_attr { unsigned long long attr_set, attr_clr, propagation, userns_fd; };
"""
UNISTD_H = """
long syscall(long number, ...);
"""

ffi = FFI()
ffi.cdef(SCHED_H + OPENAT2_H + MOUNT_H + UNISTD_H)
ffi.set_source("libcontainer.kernel._abi", None)

if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    ffi.emit_python_code(str(here.parent / "src/libcontainer/kernel/_abi.py"))
