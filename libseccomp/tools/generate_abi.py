"""Write `src/libseccomp/_abi.py`: run it after a change of the declarations below.

Out-of-line ABI mode: the declarations are parsed here, once, so that users need no compiler and
an import parses nothing.  The interface is libseccomp 2.6's; a function that the library at run
time lacks shows at its first use, not before.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI

# seccomp.h
SECCOMP = """
struct scmp_version { unsigned int major; unsigned int minor; unsigned int micro; };
typedef void *scmp_filter_ctx;
struct scmp_arg_cmp { unsigned int arg; int op; uint64_t datum_a; uint64_t datum_b; };

const struct scmp_version *seccomp_version(void);
unsigned int seccomp_api_get(void);
int seccomp_api_set(unsigned int level);

scmp_filter_ctx seccomp_init(uint32_t def_action);
int seccomp_reset(scmp_filter_ctx ctx, uint32_t def_action);
void seccomp_release(scmp_filter_ctx ctx);
int seccomp_merge(scmp_filter_ctx ctx_dst, scmp_filter_ctx ctx_src);

uint32_t seccomp_arch_resolve_name(const char *arch_name);
uint32_t seccomp_arch_native(void);
int seccomp_arch_exist(const scmp_filter_ctx ctx, uint32_t arch_token);
int seccomp_arch_add(scmp_filter_ctx ctx, uint32_t arch_token);
int seccomp_arch_remove(scmp_filter_ctx ctx, uint32_t arch_token);

int seccomp_load(const scmp_filter_ctx ctx);
int seccomp_attr_get(const scmp_filter_ctx ctx, int attr, uint32_t *value);
int seccomp_attr_set(scmp_filter_ctx ctx, int attr, uint32_t value);

char *seccomp_syscall_resolve_num_arch(uint32_t arch_token, int num);
int seccomp_syscall_resolve_name_arch(uint32_t arch_token, const char *name);
int seccomp_syscall_resolve_name_rewrite(uint32_t arch_token, const char *name);
int seccomp_syscall_resolve_name(const char *name);
int seccomp_syscall_priority(scmp_filter_ctx ctx, int syscall, uint8_t priority);

int seccomp_rule_add_array(scmp_filter_ctx ctx, uint32_t action, int syscall,
                           unsigned int arg_cnt, const struct scmp_arg_cmp *arg_array);
int seccomp_rule_add_exact_array(scmp_filter_ctx ctx, uint32_t action, int syscall,
                                 unsigned int arg_cnt, const struct scmp_arg_cmp *arg_array);

int seccomp_export_pfc(const scmp_filter_ctx ctx, int fd);
int seccomp_export_bpf(const scmp_filter_ctx ctx, int fd);
int seccomp_export_bpf_mem(const scmp_filter_ctx ctx, void *buf, size_t *len);
int seccomp_precompute(const scmp_filter_ctx ctx);
int seccomp_transaction_start(const scmp_filter_ctx ctx);
void seccomp_transaction_reject(const scmp_filter_ctx ctx);
int seccomp_transaction_commit(const scmp_filter_ctx ctx);
"""

# linux/seccomp.h, and the notify functions of seccomp.h that use its structures
NOTIFY = """
struct seccomp_data { int nr; uint32_t arch; uint64_t instruction_pointer; uint64_t args[6]; };
struct seccomp_notif { uint64_t id; uint32_t pid; uint32_t flags; struct seccomp_data data; };
struct seccomp_notif_resp { uint64_t id; int64_t val; int32_t error; uint32_t flags; };

int seccomp_notify_alloc(struct seccomp_notif **req, struct seccomp_notif_resp **resp);
void seccomp_notify_free(struct seccomp_notif *req, struct seccomp_notif_resp *resp);
int seccomp_notify_receive(int fd, struct seccomp_notif *req);
int seccomp_notify_respond(int fd, struct seccomp_notif_resp *resp);
int seccomp_notify_id_valid(int fd, uint64_t id);
int seccomp_notify_fd(const scmp_filter_ctx ctx);
"""

# linux/filter.h and libc
KERNEL = """
struct sock_fprog { unsigned short len; const void *filter; };
long syscall(long number, ...);
int prctl(int option, ...);
void free(void *ptr);
"""


def generate(path: str) -> None:
    """Write the module to `path`."""
    ffi = FFI()
    for text in (SECCOMP, NOTIFY, KERNEL):
        ffi.cdef(text)
    ffi.set_source("libseccomp._abi", None)
    ffi.emit_python_code(path)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent.parent / "src" / "libseccomp" / "_abi.py"
    generate(sys.argv[1] if len(sys.argv) > 1 else str(here))
