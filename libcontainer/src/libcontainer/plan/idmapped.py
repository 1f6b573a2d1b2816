"""The id mapping of one mount, from its fields or from its option.

The option alone takes the container's user namespace; `uidMappings` and `gidMappings` are lines of
a map of their own; and `idmap=uids=F-H-N#...;gids=...` is such a map in a word, which crun knows
and Podman writes: N ids from F in the file system are N ids from H on the host.  `@F` makes H an
id of the container.
"""

from __future__ import annotations

from ..errors import SpecError
from ..idmap import IdRange
from ..rootfs.bind import Idmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..spec.idmapping import LinuxIDMapping
    from ..spec.linux import Linux
    from ..spec.mounts import Mount

_U32 = 2**32


def idmap_of(mount: Mount, option: str | None, linux: Linux) -> Idmap:
    """Return a mount's mapping.  Raises SpecError for one that cannot be read."""
    word, _, text = (option or "idmap").partition("=")
    uids, gids = _ranges(mount.uid_mappings), _ranges(mount.gid_mappings)
    if text:
        kinds = dict([part.partition("=")[::2] for part in text.split(";")])
        if set(kinds) != {"uids", "gids"}:
            raise _refused(mount, option, "uids and gids must both be given")
        uids = _parse(kinds["uids"], mount, option, linux.uid_mappings)
        gids = _parse(kinds["gids"], mount, option, linux.gid_mappings)
    return Idmap(uids=uids, gids=gids, recursive=word == "ridmap")


def _ranges(lines: tuple[LinuxIDMapping, ...]) -> tuple[IdRange, ...]:
    return tuple([IdRange(m.container_id, m.host_id, m.size) for m in lines])


def _parse(
    text: str, mount: Mount, option: str | None, own: tuple[LinuxIDMapping, ...]
) -> tuple[IdRange, ...]:
    ranges = []
    for part in text.split("#"):
        numbers = part.removeprefix("@").split("-")
        if len(numbers) != 3 or not all([n.isascii() and n.isdigit() for n in numbers]):
            raise _refused(mount, option, f'"{part}" is not three numbers')
        inside, outside, size = [int(n) for n in numbers]
        if part[:1] == "@":
            outside = _on_host(outside, size, mount, option, own)
        if not size or max(inside, outside) + size > _U32:
            raise _refused(mount, option, f'"{part}" is no range of ids')
        ranges.append(IdRange(inside, outside, size))
    return tuple(ranges)


def _on_host(
    id: int, size: int, mount: Mount, option: str | None, own: tuple[LinuxIDMapping, ...]
) -> int:
    for line in own:
        if line.container_id <= id and id + size <= line.container_id + line.size:
            return line.host_id + id - line.container_id
    raise _refused(mount, option, f"no line of the container's map has {size} ids from {id}")


def _refused(mount: Mount, option: str | None, why: str) -> SpecError:
    return SpecError((f"mount {mount.destination}: {option}: {why}",))
