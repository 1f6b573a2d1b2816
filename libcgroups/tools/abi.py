"""Write src/libcgroups/_abi.py: the C declarations, parsed ahead of time.

python libcgroups/tools/abi.py            write
python libcgroups/tools/abi.py --check    exit 1 if the committed file is another
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

import cffi

TARGET = pathlib.Path(__file__).parent.parent / "src" / "libcgroups" / "_abi.py"

# unistd.h, sys/inotify.h
LIBC = """
long syscall(long number, ...);
int inotify_init1(int flags);
int inotify_add_watch(int fd, const char *path, uint32_t mask);
"""

# systemd/sd-bus.h, libsystemd.so.0.  The variadic calls are left out: each has a plain form.
SYSTEMD = """
typedef struct sd_bus sd_bus;
typedef struct sd_bus_message sd_bus_message;
typedef struct sd_bus_slot sd_bus_slot;
typedef struct {
    const char *name;
    const char *message;
    int _need_free;
} sd_bus_error;

int sd_bus_new(sd_bus **ret);
int sd_bus_set_address(sd_bus *bus, const char *address);
int sd_bus_set_bus_client(sd_bus *bus, int b);
int sd_bus_start(sd_bus *bus);
sd_bus *sd_bus_flush_close_unref(sd_bus *bus);
int sd_bus_set_method_call_timeout(sd_bus *bus, uint64_t usec);
int sd_bus_process(sd_bus *bus, sd_bus_message **ret);
int sd_bus_wait(sd_bus *bus, uint64_t timeout_usec);
int sd_bus_call(sd_bus *bus, sd_bus_message *m, uint64_t usec, sd_bus_error *ret_error,
                sd_bus_message **reply);
void sd_bus_error_free(sd_bus_error *e);

int sd_bus_message_new_method_call(sd_bus *bus, sd_bus_message **m, const char *destination,
                                   const char *path, const char *interface, const char *member);
sd_bus_message *sd_bus_message_unref(sd_bus_message *m);
int sd_bus_message_append_basic(sd_bus_message *m, char type, const void *p);
int sd_bus_message_append_array(sd_bus_message *m, char type, const void *ptr, size_t size);
int sd_bus_message_open_container(sd_bus_message *m, char type, const char *contents);
int sd_bus_message_close_container(sd_bus_message *m);
int sd_bus_message_read_basic(sd_bus_message *m, char type, void *p);
int sd_bus_message_enter_container(sd_bus_message *m, char type, const char *contents);
int sd_bus_message_exit_container(sd_bus_message *m);
int sd_bus_message_skip(sd_bus_message *m, const char *types);
int sd_bus_message_is_signal(sd_bus_message *m, const char *interface, const char *member);
"""


def generate() -> str:
    ffi = cffi.FFI()
    ffi.cdef(LIBC + SYSTEMD)
    ffi.set_source("libcgroups._abi", None)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "_abi.py")
        ffi.emit_python_code(str(path))
        return path.read_text()


if __name__ == "__main__":
    text = generate()
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text() != text)
    TARGET.write_text(text)
