"""One short file for each command: options in, one call of libcontainer, exit status out."""
