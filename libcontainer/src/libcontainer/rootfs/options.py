"""Mount options: one table from the spec's words to what the kernel is told.

runtime-spec: config.md, "Linux mount options"; values: include/uapi/linux/mount.h.  A word that is
not in the table is data for the file system.
"""

from __future__ import annotations

from .._record import Record, i64, u64
from ..kernel import constants as c

# Per mount: word -> (bits set, bits cleared).  Any choice of access times clears the whole field.
_ATTRIBUTES = {
    "ro": (c.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, c.MOUNT_ATTR_RDONLY),
    "nosuid": (c.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, c.MOUNT_ATTR_NOSUID),
    "nodev": (c.MOUNT_ATTR_NODEV, 0),
    "dev": (0, c.MOUNT_ATTR_NODEV),
    "noexec": (c.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, c.MOUNT_ATTR_NOEXEC),
    "nodiratime": (c.MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, c.MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (c.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, c.MOUNT_ATTR_NOSYMFOLLOW),
    "noatime": (c.MOUNT_ATTR_NOATIME, c.MOUNT_ATTR__ATIME),
    "atime": (0, c.MOUNT_ATTR__ATIME),
    "relatime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR__ATIME),
    "strictatime": (c.MOUNT_ATTR_STRICTATIME, c.MOUNT_ATTR__ATIME),
    "nostrictatime": (0, c.MOUNT_ATTR__ATIME),
}
_PROPAGATION = {
    "unbindable": c.MS_UNBINDABLE,
    "private": c.MS_PRIVATE,
    "slave": c.MS_SLAVE,
    "shared": c.MS_SHARED,
}
# Of the superblock, so not for binds: word -> its opposite, of which the later is told.
_SUPERBLOCK = {
    "sync": "async",
    "async": "sync",
    "dirsync": "",
    "lazytime": "nolazytime",
    "nolazytime": "lazytime",
    "mand": "nomand",
    "nomand": "mand",
}
# No effect in today's kernels, or none that could be asked for by handle.
# The last five: flags of a superblock, which has no tree.
_IGNORED = (
    *("defaults", "norelatime", "rnorelatime", "silent", "loud", "iversion", "noiversion"),
    *("rsync", "rasync", "rdirsync", "rmand", "rnomand"),
)
# What the runtime itself does.
_WORDS = ("bind", "rbind", "remount", "tmpcopyup", "copy-symlink", "src-nofollow", "dest-nofollow")
# With or without mappings of their own behind a `=`.
_IDMAPS = ("idmap", "ridmap")


class MountOptions(Record):
    """A mount's options, sorted by who acts on them."""

    set: u64 = 0  # MOUNT_ATTR_ bits of the mount itself
    clear: u64 = 0
    recursive_set: u64 = 0  # the same for the whole tree
    recursive_clear: u64 = 0
    propagation: tuple[str, ...] = ()  # words, in order
    superblock: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # bind, tmpcopyup ...
    idmap: str | None = None  # `idmap` or `ridmap`, with what follows it

    @property
    def touches_attributes(self) -> bool:
        """Whether any per-mount option was given."""
        return bool(self.set | self.clear)


def known_options() -> tuple[str, ...]:
    """Return every word of the table, sorted: what the features document lists."""
    recursive = ["r" + word for word in _ATTRIBUTES]
    propagation = [r + word for word in _PROPAGATION for r in ("", "r")]
    words = (*propagation, *_SUPERBLOCK, *_IGNORED, *_WORDS, *_IDMAPS)
    return tuple(sorted({*_ATTRIBUTES, *recursive, *words}))


def parse(options: tuple[str, ...]) -> MountOptions:
    """Sort the options of one mount.  The later of two that exclude each other wins."""
    own, tree = [0, 0], [0, 0]
    propagation, data, words = [], [], []
    superblock: list[str] = []
    idmap = None
    for option in options:
        if option in _ATTRIBUTES:
            _merge(own, *_ATTRIBUTES[option])
        elif option in _WORDS:
            words.append(option)
        elif option[:1] == "r" and option[1:] in _ATTRIBUTES:
            _merge(tree, *_ATTRIBUTES[option[1:]])
        elif option.removeprefix("r") in _PROPAGATION:
            propagation.append(option)
        elif option in _SUPERBLOCK:
            superblock = [w for w in superblock if w not in (option, _SUPERBLOCK[option])]
            superblock.append(option)
        elif option.partition("=")[0] in _IDMAPS:
            idmap = option
        elif option not in _IGNORED:
            data.append(option)
    return MountOptions(
        set=own[0],
        clear=own[1],
        recursive_set=tree[0],
        recursive_clear=tree[1],
        propagation=tuple(propagation),
        superblock=tuple(superblock),
        data=tuple(data),
        words=tuple(words),
        idmap=idmap,
    )


def propagation_flag(word: str) -> tuple[i64, bool]:
    """Return the MS_ flag of a propagation word, and whether it is for the whole tree."""
    plain = word.removeprefix("r")
    return _PROPAGATION[plain], plain != word


def attribute_words(set_: int, clear: int) -> str:
    """Spell attribute bits as options, for people."""
    bits = [word for word, (s, _) in _ATTRIBUTES.items() if s and s & set_ == s]
    return ",".join(bits) or ("rw" if clear & c.MOUNT_ATTR_RDONLY else "")


def _merge(bits: list[int], set_: int, clear: int) -> None:
    # A bit that is set leaves the cleared ones, except in the access-time field, where the kernel
    # wants the whole field cleared along with the new value.
    bits[0] = (bits[0] & ~clear) | set_
    bits[1] = (bits[1] & ~(set_ & ~c.MOUNT_ATTR__ATIME)) | clear
