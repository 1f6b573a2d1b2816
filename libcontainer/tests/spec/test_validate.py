"""Rules that the types do not say.  One row per rule; the sentences are what engines show."""

import copy
import json

import pytest

from libcontainer.errors import SpecError
from libcontainer.spec import Linux, load_process, load_spec
from libcontainer.spec.validate import validate, validate_process

BASE = {
    "ociVersion": "1.3.0",
    "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["sh"]},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
}
ALL_KINDS = ["cgroup", "ipc", "mount", "network", "pid", "uts"]
EVERYTHING = {"namespaces": [{"type": kind} for kind in ALL_KINDS]}
ONE_ID = [{"containerID": 0, "hostID": 1000, "size": 1}]
OWN_USERS = {
    "namespaces": [{"type": "mount"}, {"type": "user"}],
    "uidMappings": ONE_ID,
    "gidMappings": ONE_ID,
}
MASK = 2**64 - 1


def merged(base, changes):
    """A copy of `base` with `changes`, object by object."""
    found = copy.copy(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if inner else value
    return found


def faults_of(document):
    try:
        validate(load_spec(json.dumps(document)))
    except SpecError as e:
        return list(e.faults)
    return []


def rows(path, *table):
    """Rows for one part of the document, each with its name, its changes and its faults."""
    found = []
    for name, change, *faults in table:
        for key in reversed(path.split(".") if path else []):
            change = {key: change}
        found.append(pytest.param(change, faults, id=f"{path or 'document'}: {name}"))
    return found


DOCUMENT = rows(
    "",
    ("nothing wrong", {}),
    ("no process", {"process": None}, "process property must not be empty"),
    ("no root", {"root": None}, "root must be specified"),
    ("no linux", {"linux": None}),
    ("empty root path", {"root": {"path": ""}}, "$.root.path: empty"),
    ("version of old engines", {"ociVersion": "1.0.2-dev"}),
    ("newer minor version", {"ociVersion": "1.99.0"}),
    ("short version", {"ociVersion": "1.0"}),
    ("no version", {"ociVersion": ""}, '$.ociVersion: not a version, got ""'),
    ("odd version", {"ociVersion": "one"}, '$.ociVersion: not a version, got "one"'),
    ("no minor version", {"ociVersion": "1"}, '$.ociVersion: not a version, got "1"'),
    (
        "other major version",
        {"ociVersion": "2.0.0"},
        '$.ociVersion: only versions 1.x are understood, got "2.0.0"',
    ),
    (
        "names without a namespace",
        {"hostname": "a", "domainname": "b"},
        "unable to set hostname without a private UTS namespace",
        "unable to set domainname without a private UTS namespace",
    ),
    ("names", {"hostname": "a", "domainname": "b", "linux": EVERYTHING}),
    ("empty names", {"hostname": "", "domainname": ""}),
    (
        "long name",
        {"hostname": "h" * 65, "linux": EVERYTHING},
        "$.hostname: longer than 64 bytes",
    ),
    ("longest name", {"hostname": "h" * 64, "linux": EVERYTHING}),
    ("annotations", {"annotations": {"a": ""}}),
    ("annotation without key", {"annotations": {"": "x"}}, "$.annotations: a key is empty"),
    (
        "hook path",
        {"hooks": {"createRuntime": [{"path": "/ok"}, {"path": "x"}]}},
        '$.hooks.createRuntime[1].path: must be absolute, got "x"',
    ),
    (
        "hook timeout",
        {"hooks": {"poststop": [{"path": "/ok", "timeout": 0}]}},
        "$.hooks.poststop[0].timeout: must be greater than 0, got 0",
    ),
    ("hook", {"hooks": {"prestart": [{"path": "/ok", "timeout": 1, "args": [], "env": []}]}}),
)

PROCESS = rows(
    "process",
    ("empty cwd", {"cwd": ""}, "Cwd property must not be empty"),
    ("relative cwd", {"cwd": "tmp"}, "Cwd must be an absolute path"),
    ("no args", {"args": []}, "args must not be empty"),
    ("env", {"env": ["A=", "B=c=d", "A=2"]}),
    ("env without value", {"env": ["A"]}, "invalid environment variable: missing '=': \"A\""),
    (
        "env without name",
        {"env": ["=x"]},
        'invalid environment variable: name cannot be empty: "=x"',
    ),
    ("rlimit", {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": MASK}]}),
    (
        "unknown rlimit",
        {"rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]},
        "wrong rlimit value: RLIMIT_X",
    ),
    (
        "rlimit twice",
        {"rlimits": [{"type": "RLIMIT_CPU", "soft": n, "hard": n} for n in (1, 2)]},
        "$.process.rlimits[1].type: RLIMIT_CPU is given twice",
    ),
    (
        "soft above hard",
        {"rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]},
        "$.process.rlimits[0].soft: above the hard limit, 2 > 1",
    ),
    ("oom score", {"oomScoreAdj": -1000}),
    (
        "oom score out of range",
        {"oomScoreAdj": 1001},
        "$.process.oomScoreAdj: must be between -1000 and 1000, got 1001",
    ),
    ("terminal", {"terminal": True, "consoleSize": {"height": 0, "width": 65535}}),
    (
        "size of a terminal",
        {"terminal": True, "consoleSize": {"height": 65536, "width": 10**9}},
        "$.process.consoleSize.height: must not be above 65535, got 65536",
        "$.process.consoleSize.width: must not be above 65535, got 1000000000",
    ),
    ("size of no terminal", {"consoleSize": {"height": 65536, "width": 2**63}}),
    ("affinity", {"execCPUAffinity": {"initial": "0-3, 7", "final": "0"}}),
    (
        "odd affinity",
        {"execCPUAffinity": {"initial": "0-9999999999", "final": "3-1"}},
        '$.process.execCPUAffinity.initial: not a list of CPUs below 65536, got "0-9999999999"',
        '$.process.execCPUAffinity.final: not a list of CPUs below 65536, got "3-1"',
    ),
)

SCHEDULER = rows(
    "process.scheduler",
    ("ordinary", {"policy": "SCHED_BATCH", "nice": -20, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
    ("real time", {"policy": "SCHED_FIFO", "priority": 99}),
    ("deadline", {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3}),
    ("no policy", {"policy": ""}, "scheduler policy is required"),
    ("odd policy", {"policy": "X"}, '$.process.scheduler.policy: unknown, got "X"'),
    ("nice out of range", {"policy": "SCHED_OTHER", "nice": 20}, "invalid scheduler.nice: 20"),
    (
        "nice of real time",
        {"policy": "SCHED_RR", "priority": 1, "nice": 1},
        "$.process.scheduler.nice: only for SCHED_OTHER and SCHED_BATCH",
    ),
    (
        "real time without priority",
        {"policy": "SCHED_RR"},
        "$.process.scheduler.priority: must be between 1 and 99 for SCHED_RR, got 0",
    ),
    (
        "priority of ordinary",
        {"policy": "SCHED_OTHER", "priority": 1},
        "scheduler.priority can only be specified for SchedFIFO or SchedRR policy",
    ),
    (
        "odd flag",
        {"policy": "SCHED_OTHER", "flags": ["X"]},
        '$.process.scheduler.flags[0]: unknown, got "X"',
    ),
    (
        "times of ordinary",
        {"policy": "SCHED_OTHER", "period": 1},
        "scheduler runtime/deadline/period can only be specified for SchedDeadline policy",
    ),
)

IO_PRIORITY = rows(
    "process.ioPriority",
    ("good", {"class": "IOPRIO_CLASS_BE", "priority": 7}),
    ("odd class", {"class": "X"}, 'invalid ioPriority.Class: "X"'),
    (
        "out of range",
        {"class": "IOPRIO_CLASS_RT", "priority": 8},
        "invalid ioPriority.Priority: 8",
    ),
)


def mount(destination="/x", **fields):
    return {"mounts": [{"destination": destination, "type": "tmpfs"} | fields]}


INSIDE_PROC = "cannot be mounted because it is inside /proc"
MOUNTS = rows(
    "",
    ("mount", mount()),
    (
        "mounts in the host's namespace",
        mount() | {"linux": {"namespaces": []}},
        "unable to mount without a private MNT namespace",
    ),
    ("no destination", mount(""), "$.mounts[0].destination: empty"),
    ("relative destination", mount("x")),
    ("on the root", mount("/"), 'mountpoint "/" is on the top of rootfs "rootfs"'),
    ("on the root, oddly", mount("/a/.."), 'mountpoint "/a/.." is on the top of rootfs "rootfs"'),
    ("proc", mount("/proc", type="proc")),
    ("bind on proc", mount("/proc", type="bind", source="/proc", options=["rbind"])),
    (
        "other type on proc",
        mount("/proc"),
        '"/proc" cannot be mounted because it is not of type proc',
    ),
    ("below proc", mount("/proc/1"), f'"/proc/1" {INSIDE_PROC}'),
    ("below proc, oddly", mount("x/..//proc/./sys"), f'"x/..//proc/./sys" {INSIDE_PROC}'),
    ("above the root", mount("/../proc/sys"), f'"/../proc/sys" {INSIDE_PROC}'),
    ("of lxcfs", mount("/proc/meminfo", type="bind", source="/x", options=["bind"])),
    ("beside proc", mount("/procfs")),
    (
        "bind without source",
        mount(options=["rbind"]),
        "$.mounts[0].source: a bind mount needs one",
    ),
    (
        "type bind without source",
        mount(type="bind"),
        "$.mounts[0].source: a bind mount needs one",
    ),
    (
        "half of the mappings",
        mount(uidMappings=ONE_ID),
        "$.mounts[0]: id-mapped mounts must have both uid and gid mappings specified",
    ),
    ("both mappings", mount(uidMappings=ONE_ID, gidMappings=ONE_ID, options=["idmap"])),
    ("idmap of the container", mount(options=["ridmap"]) | {"linux": OWN_USERS}),
    (
        "idmap of nothing",
        mount(options=["ridmap"]),
        "$.mounts[0].options: ridmap needs mappings or a user namespace",
    ),
)


def namespaces(*kinds):
    return {"namespaces": [{"type": kind} for kind in kinds]}


def mapping(inside, outside, size):
    return {"containerID": inside, "hostID": outside, "size": size}


def mapped(*lines):
    return OWN_USERS | {"uidMappings": list(lines)}


NO_SYSCTL = "is not in a separate kernel namespace"
LINUX = rows(
    "linux",
    ("all namespaces", namespaces(*ALL_KINDS, "time")),
    ("odd namespace", namespaces("mount", "foo"), 'namespace {"foo" ""} does not exist'),
    (
        "namespace twice",
        namespaces("mount", "pid", "pid"),
        'malformed spec file: duplicated ns {"pid" ""}',
    ),
    (
        "namespace twice, once by path",
        {"namespaces": [{"type": "pid"}, {"type": "pid", "path": "/x"}]},
        'malformed spec file: duplicated ns {"pid" "/x"}',
    ),
    (
        "relative path",
        {"namespaces": [{"type": "pid", "path": "x"}]},
        '$.linux.namespaces[0].path: must be absolute, got "x"',
    ),
    ("user namespace", OWN_USERS),
    (
        "user namespace without mappings",
        namespaces("mount", "user"),
        "user namespaces enabled, but no uid mappings found",
        "user namespaces enabled, but no gid mappings found",
    ),
    ("joined user namespace", {"namespaces": [{"type": "user", "path": "/x"}]}),
    (
        "joined user namespace with mappings",
        {"namespaces": [{"type": "user", "path": "/x"}], "uidMappings": ONE_ID},
    ),
    (
        "mappings without user namespace",
        {"gidMappings": ONE_ID},
        "user namespace mappings specified, but user namespace isn't enabled in the config",
    ),
    ("all ids", mapped(mapping(0, 0, 2**32 - 1))),
    (
        "no ids",
        mapped(mapping(0, 0, 1), mapping(1, 1, 0)),
        "$.linux.uidMappings[1].size: must not be 0",
    ),
    (
        "ids beyond the last",
        mapped(mapping(0, 1, 2**32 - 1)),
        "$.linux.uidMappings[0].size: goes beyond the last id, 4294967294",
    ),
    (
        "overlap inside",
        mapped(mapping(0, 0, 10), mapping(20, 20, 1), mapping(9, 30, 1)),
        "$.linux.uidMappings[2].containerID: overlaps with another line",
    ),
    (
        "overlap outside",
        mapped(mapping(0, 5, 10), mapping(20, 0, 6)),
        "$.linux.uidMappings[0].hostID: overlaps with another line",
    ),
    ("most lines", mapped(*[mapping(i, i, 1) for i in range(340)])),
    (
        "too many lines",
        mapped(*[mapping(i, i, 1) for i in range(341)]),
        "$.linux.uidMappings: more than 340 lines",
    ),
    ("devices", {"devices": [{"type": t, "path": "/dev/x", "major": 1} for t in "cub"]}),
    ("fifo", {"devices": [{"type": "p", "path": "/dev/x"}]}),
    (
        "odd device",
        {"devices": [{"type": "a", "path": "/dev/x"}]},
        "$.linux.devices[0].type: invalid device type",
    ),
    (
        "relative device",
        {"devices": [{"type": "c", "path": "dev/x"}]},
        '$.linux.devices[0].path: must be absolute, got "dev/x"',
    ),
    (
        "device numbers",
        {"devices": [{"type": "c", "path": "/x", "major": 4096, "minor": -1}]},
        "$.linux.devices[0].major: must be between 0 and 4095, got 4096",
        "$.linux.devices[0].minor: must be between 0 and 1048575, got -1",
    ),
    *[(f"propagation {p}", {"rootfsPropagation": p}) for p in ("rslave", "shared", "unbindable")],
    (
        "odd propagation",
        {"rootfsPropagation": "slaves"},
        "rootfsPropagation=slaves is not supported",
    ),
    ("paths", {"maskedPaths": ["/x"], "readonlyPaths": ["/y"]}),
    (
        "relative paths",
        {"maskedPaths": ["/x", "y"], "readonlyPaths": [""]},
        '$.linux.maskedPaths[1]: must be absolute, got "y"',
        '$.linux.readonlyPaths[0]: must be absolute, got ""',
    ),
    (
        "paths in the host's namespace",
        {"namespaces": [], "maskedPaths": ["/x"]},
        "unable to restrict sys entries without a private MNT namespace",
    ),
    (
        "seccomp",
        {"seccomp": {"defaultAction": "X", "architectures": ["SCMP_ARCH_X"]}},
        '$.linux.seccomp.defaultAction: string "X" is not a valid action for seccomp',
        '$.linux.seccomp.architectures[0]: string "SCMP_ARCH_X" is not a valid arch for seccomp',
    ),
)


def users(uid, gid, lines):
    return {
        "process": {"user": {"uid": uid, "gid": gid}},
        "linux": OWN_USERS | {"uidMappings": lines, "gidMappings": lines},
    }


USERS = rows(
    "",
    ("mapped", users(5, 6, [mapping(5, 1000, 2)])),
    (
        "unmapped",
        users(4, 7, [mapping(5, 1000, 2)]),
        "cannot setuid to unmapped uid 4 in user namespace",
        "cannot setgid to unmapped gid 7 in user namespace",
    ),
    (
        "no ids, which the kernel takes for those of root",
        {"process": {"user": {"uid": 2**32 - 1, "gid": 2**32 - 1, "additionalGids": [2**32 - 1]}}},
        "$.process.user.uid: 4294967295 is no id",
        "$.process.user.gid: 4294967295 is no id",
        "$.process.user.additionalGids[0]: 4294967295 is no id",
    ),
    ("the last id", {"process": {"user": {"uid": 2**32 - 2, "gid": 2**32 - 2}}}),
)

HAS_ALL = EVERYTHING | {"namespaces": [*EVERYTHING["namespaces"], {"type": "user", "path": "/x"}]}
SYSCTL = rows(
    "linux",
    *[
        (f"sysctl {key}", HAS_ALL | {"sysctl": {key: "1"}})
        for key in (
            "kernel.msgmax",
            "kernel/shm_rmid_forced",
            "fs.mqueue.msg_max",
            "net.ipv4.ip_forward",
            "net/ipv4/conf/eth0.5/forwarding",
            "net.ipv4.conf.eth0/5.forwarding",
            "kernel.domainname",
            "user.max_user_namespaces",
        )
    ],
    *[
        (f"sysctl {key}", HAS_ALL | {"sysctl": {key: "1"}}, f"sysctl {json.dumps(key)} {NO_SYSCTL}")
        for key in (
            "vm.swappiness",
            "kernel.msgmax.x",
            "net",
            "",
            "net/../kernel/core_pattern",
            "net.//.kernel.core_pattern",
            "net..x",
            "net./.x",
            "net/",
            "/net/ipv4/ip_forward",
        )
    ],
    (
        "sysctl kernel.hostname",
        HAS_ALL | {"sysctl": {"kernel.hostname": "x"}},
        'sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field',
    ),
    (
        "sysctl of the host's ipc",
        {"sysctl": {"kernel.sem": "1"}},
        'sysctl "kernel.sem" is not allowed in the hosts ipc namespace',
    ),
    (
        "sysctl of the host's network",
        {"sysctl": {"net.core.somaxconn": "1"}},
        'sysctl "net.core.somaxconn" not allowed in host network namespace',
    ),
    (
        "sysctl of the host's name",
        {"sysctl": {"kernel.domainname": "x"}},
        f'sysctl "kernel.domainname" {NO_SYSCTL}',
    ),
    (
        "sysctl of the host's users",
        {"sysctl": {"user.max_pid_namespaces": "1"}},
        'setting ucounts without a user namespace not allowed: sysctl "user.max_pid_namespaces"',
    ),
)
SYSCTL += rows(
    "",
    (
        "domain name in two ways",
        {
            "domainname": "a",
            "linux": EVERYTHING | {"sysctl": {"kernel.domainname": "b"}},
        },
        'sysctl "kernel.domainname" is not allowed as it conflicts with the OCI "domainname" field',
    ),
)

RESOURCES = rows(
    "linux.resources",
    ("device rules", {"devices": [{"allow": False, "type": "a", "access": "rwm"}]}),
    (
        "device rule type",
        {"devices": [{"allow": True, "type": "p", "access": "r"}]},
        "$.linux.resources.devices[0].type: invalid cgroup device type",
    ),
    (
        "device rule without access",
        {"devices": [{"allow": True, "access": "r"}, {"allow": True}]},
        "$.linux.resources.devices: device access at 1 field cannot be empty",
    ),
    (
        "device rule with odd access",
        {"devices": [{"allow": True, "access": "rx"}]},
        '$.linux.resources.devices[0].access: only r, w and m, got "rx"',
    ),
    (
        "device rule numbers",
        {"devices": [{"allow": True, "access": "r", "major": -1, "minor": -2}]},
        "$.linux.resources.devices[0].minor: must be -1 or a device number, got -2",
    ),
    ("zeros", {"memory": {"limit": 0, "swap": 0}, "cpu": {"shares": 0}, "blockIO": {"weight": 0}}),
    ("unlimited", {"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}}),
    ("swappiness", {"memory": {"swappiness": 100}}),
    ("swappiness that is untouched", {"memory": {"swappiness": MASK}}),
    (
        "swappiness out of range",
        {"memory": {"swappiness": 101}},
        "invalid memory swappiness value: 101 (valid range is 0-100)",
    ),
    (
        "negative memory",
        {"memory": {"limit": -2}},
        "$.linux.resources.memory.limit: must be -1 or a number of bytes, got -2",
    ),
    (
        "swap below memory",
        {"memory": {"limit": 2, "swap": 1}},
        "memory+swap limit should be >= memory limit",
    ),
    ("cpus", {"cpu": {"cpus": "0-1,3", "mems": "0", "idle": 1}}),
    (
        "odd cpus",
        {"cpu": {"cpus": "a", "mems": "1-"}},
        '$.linux.resources.cpu.cpus: not a list, got "a"',
        '$.linux.resources.cpu.mems: not a list, got "1-"',
    ),
    (
        "cpus that no kernel has",
        {"cpu": {"cpus": "0-9999999999", "mems": "65536"}},
        '$.linux.resources.cpu.cpus: not a list, got "0-9999999999"',
        '$.linux.resources.cpu.mems: not a list, got "65536"',
    ),
    (
        "a number of thousands of digits",
        {"cpu": {"cpus": "9" * 5000}},
        f'$.linux.resources.cpu.cpus: not a list, got "{"9" * 5000}"',
    ),
    (
        "idle",
        {"cpu": {"idle": 2}},
        "$.linux.resources.cpu.idle: must be 0 or 1, got 2",
    ),
    ("weights", {"blockIO": {"weight": 10, "leafWeight": 1000}}),
    (
        "weights out of range",
        {"blockIO": {"weight": 9, "weightDevice": [{"major": 8, "minor": 0, "weight": 1001}]}},
        "$.linux.resources.blockIO.weight: must be between 10 and 1000, got 9",
        "$.linux.resources.blockIO.weightDevice[0].weight: must be between 10 and 1000, got 1001",
    ),
    (
        "page sizes",
        {"hugepageLimits": [{"pageSize": s, "limit": 0} for s in ("2MB", "64KB", "1GB")]},
    ),
    (
        "odd page sizes",
        {"hugepageLimits": [{"pageSize": s, "limit": 0} for s in ("2M", "MB", "02MB")]},
        '$.linux.resources.hugepageLimits[0].pageSize: not a size, got "2M"',
        '$.linux.resources.hugepageLimits[1].pageSize: not a size, got "MB"',
        '$.linux.resources.hugepageLimits[2].pageSize: not a size, got "02MB"',
    ),
    ("rdma", {"rdma": {"mlx5_1": {"hcaObjects": 0}}}),
    (
        "rdma without limit",
        {"rdma": {"mlx5_1": {}}},
        '$.linux.resources.rdma["mlx5_1"]: no limit given',
    ),
    ("unified", {"unified": {"memory.high": "1", "hugetlb.2MB.max": "0"}}),
    *[
        (
            f"unified {name}",
            {"unified": {name: ""}},
            f'$.linux.resources.unified["{name}"]: not the name of a control file',
        )
        for name in ("../x.max", "memory", "..", "")
    ],
)

CLOCKS = {"namespaces": [{"type": "time"}]}
RARE = rows(
    "linux",
    ("clocks", CLOCKS | {"timeOffsets": {"boottime": {"secs": -5}, "monotonic": {}}}),
    (
        "clocks without a namespace",
        {"timeOffsets": {"boottime": {"secs": 1}}},
        "time namespace offsets specified, but time namespace isn't enabled in the config",
    ),
    (
        "clocks of a joined namespace",
        {
            "namespaces": [{"type": "time", "path": "/x"}],
            "timeOffsets": {"boottime": {"secs": 1}},
        },
        "time namespace enabled, but both namespace path and time offsets specified"
        " -- you may only provide one",
    ),
    (
        "odd clocks",
        CLOCKS | {"timeOffsets": {"realtime": {"nanosecs": 10**9}}},
        '$.linux.timeOffsets["realtime"]: unknown clock',
        '$.linux.timeOffsets["realtime"].nanosecs: must be below 1000000000',
    ),
    ("net device", EVERYTHING | {"netDevices": {"eth0": {}, "eth1": {"name": "c%d"}}}),
    (
        "net device without a namespace",
        {"netDevices": {"eth0": {}}},
        "unable to move network devices without a NET namespace",
    ),
    *[
        (
            f"net device {name!r}",
            EVERYTHING | {"netDevices": {name: {}}},
            f"invalid network device name {json.dumps(name)}",
        )
        for name in ("", ".", "..", "a/b", "a:b", "a b", "a" * 16)
    ],
    (
        "net device inside",
        EVERYTHING | {"netDevices": {"eth0": {"name": "a/b"}}},
        'invalid network device name "a/b"',
    ),
    (
        "net devices of one name",
        EVERYTHING | {"netDevices": {"a": {"name": "c"}, "b": {"name": "c"}, "c": {}, "d": {}}},
        '$.linux.netDevices: more than one device is to be called "c"',
    ),
    (
        "net devices that are numbered",
        EVERYTHING | {"netDevices": {"a": {"name": "c%d"}, "b": {"name": "c%d"}}},
    ),
    ("rdt", {"intelRdt": {"closID": "x", "memBwSchema": "MB:0=1", "schemata": ["L3:0=f"]}}),
    ("rdt root group", {"intelRdt": {"closID": "/"}}),
    *[
        (f"rdt group {name!r}", {"intelRdt": {"closID": name}}, "invalid intelRdt.ClosID")
        for name in ("", ".", "..", "a/b", "/a")
    ],
    (
        "rdt schemas",
        {
            "intelRdt": {
                "l3CacheSchema": "L3:0=f\nMB:0=1",
                "memBwSchema": "L3:0=f",
                "schemata": ["a\nb"],
            }
        },
        "$.linux.intelRdt.l3CacheSchema: more than one line",
        "$.linux.intelRdt.memBwSchema: must be one line that starts with MB:",
        "$.linux.intelRdt.schemata[0]: more than one line",
    ),
    ("memory policy", {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1"}}),
    ("memory policy preferred", {"memoryPolicy": {"mode": "MPOL_PREFERRED"}}),
    (
        "memory policy mode",
        {"memoryPolicy": {"mode": "X", "flags": ["Y"]}},
        'invalid memory policy mode "X"',
        '$.linux.memoryPolicy.flags[0]: unknown, got "Y"',
    ),
    (
        "memory policy flags",
        {
            "memoryPolicy": {
                "mode": "MPOL_PREFERRED",
                "flags": [
                    "MPOL_F_STATIC_NODES",
                    "MPOL_F_RELATIVE_NODES",
                    "MPOL_F_NUMA_BALANCING",
                ],
            }
        },
        "$.linux.memoryPolicy.flags: static and relative nodes exclude each other",
        "$.linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING is only for MPOL_BIND",
    ),
    (
        "memory policy nodes",
        {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "x"}},
        '$.linux.memoryPolicy.nodes: not a list of nodes below 65536, got "x"',
    ),
    (
        "memory policy nodes that no kernel has",
        {"memoryPolicy": {"mode": "MPOL_LOCAL", "nodes": "0-9999999999"}},
        '$.linux.memoryPolicy.nodes: not a list of nodes below 65536, got "0-9999999999"',
    ),
    (
        "memory policy with nodes",
        {"memoryPolicy": {"mode": "MPOL_LOCAL", "nodes": "0-2, 5"}},
        "memory policy mode requires 0 nodes but got 4",
    ),
    (
        "memory policy without nodes",
        {"memoryPolicy": {"mode": "MPOL_BIND"}},
        "memory policy mode requires at least one node but got 0",
    ),
    ("personality", {"personality": {"domain": "LINUX32"}}),
    (
        "odd personality",
        {"personality": {"domain": "BSD"}},
        '$.linux.personality.domain: unknown, got "BSD"',
    ),
)


@pytest.mark.parametrize(
    ("changes", "faults"),
    DOCUMENT
    + PROCESS
    + SCHEDULER
    + IO_PRIORITY
    + MOUNTS
    + LINUX
    + USERS
    + SYSCTL
    + RESOURCES
    + RARE,
)
def test_rule(changes, faults):
    """
    A document that breaks a rule is refused with that rule's sentence, and with no other.
    """
    assert faults_of(merged(BASE, changes)) == faults


def test_documents_of_engines_are_sound(engine_text):
    """
    What Podman, Docker, containerd and Buildah write breaks no rule.
    """
    validate(load_spec(engine_text))


def test_all_faults_are_told_at_once():
    """
    One error has the faults of every part of the document, in its order.
    """
    document = merged(
        BASE,
        {
            "ociVersion": "3.0",
            "process": {"cwd": "", "args": []},
            "root": None,
            "mounts": [{"destination": "/"}],
            "linux": {"rootfsPropagation": "x"},
        },
    )

    assert faults_of(document) == [
        '$.ociVersion: only versions 1.x are understood, got "3.0"',
        "Cwd property must not be empty",
        "args must not be empty",
        "root must be specified",
        'mountpoint "/" is on the top of rootfs ""',
        "rootfsPropagation=x is not supported",
    ]


def test_the_process_of_exec_is_judged_alone():
    """
    The process object of `exec --process` is held to the same rules, its ids to the container's
    mappings.
    """
    process = load_process('{"cwd": "/", "args": ["id"], "user": {"uid": 5, "gid": 0}}')
    linux = Linux.from_json(OWN_USERS)

    validate_process(process, None)
    with pytest.raises(SpecError, match="^cannot setuid to unmapped uid 5 in user namespace$"):
        validate_process(process, linux)
