"""The two processes that make a container.

    main                              init
    runtime's namespaces              the container's, built from outside in
      │ clone3 ──────────────────────>│ waits
      │ id maps, state ── go ────────>│ root of its user namespace; joins; mounts, devices
      │ cgroup, early limits          │
      │<────────────── run the hooks ─│ (prestart and createRuntime belong out here)
      │ ── done ─────────────────────>│ createContainer hooks, masks, console, the command found
      │<─────────────────────────── R │ the last mile: pivot           (no Python from here on)
      │ rlimits, late limits ── g ───>│ ids, capabilities, filter
      │<─────────────────────────── S │ waits for `start`, being all that the payload will be

Why not the three processes that others use?  Two kernel facts, each said to cost one:

* A new pid namespace begins with the *next* child.  clone3 makes the child and the namespace
  in one call, so nobody needs to stand in between.
* Mapping any id but one's own takes CAP_SETUID in the *parent* user namespace.  main never
  left it, and writes the map while init waits.

Everything that reduces or can fail stands before the wait, so that create reports it.
"""
