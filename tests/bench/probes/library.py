"""Whole lives of containers in one warm process, through the library.

Arguments: state root, bundle, the descriptors to be asked and to answer on.  Each line asked is an
id; the answer is the milliseconds from create to the end of delete.
"""

import fcntl
import posix
import sys
import time


def main(root: str, bundle: str, asked: int, answers: int) -> None:
    from libcontainer.ops.create import CreateOptions, create
    from libcontainer.ops.delete import delete
    from libcontainer.ops.start import start

    for fd in (asked, answers):
        fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    with open(asked) as lines:
        for line in lines:
            identifier = line.strip()
            began = time.perf_counter_ns()
            pid = create(identifier, CreateOptions(root=root, bundle=bundle))
            start(identifier, root=root)
            posix.waitpid(pid, 0)
            delete(identifier, root=root)
            posix.write(answers, b"%f\n" % ((time.perf_counter_ns() - began) / 1e6))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
