"""Building the container's root: options, steps, and the way from a path to a handle."""
