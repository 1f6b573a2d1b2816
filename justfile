# The workspace's recipes.  Run them with ./just, which gets the real `just` first.

set positional-arguments

python := ".venv/bin/python"
packages := "libcgroups libseccomp libcontainer liboci_cli pyoci"
hatch := ".venv/hatch/bin/hatch"

_default:
    @{{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} --list --unsorted

# Make .venv ready: the five distributions, the tools, and the runtime at .venv/bin/pyoci
setup:
    @{{ python }} -I tools/setup.py

# Run a real container from bundle to deletion, and show each command with its output and time
[no-exit-message]
demo: setup
    @{{ python }} tools/demo.py

# Run the tests (pytest's options are passed on); as root those that start containers too
[no-exit-message]
test *options: setup
    @{{ python }} -m pytest "$@"

# Run the tests that need pure cgroup v2, systemd or AppArmor, in a virtual machine
[no-exit-message]
test-vm:
    @{{ python }} tools/test_vm.py

# Check style, format and that generated files are what their generators write
[no-exit-message]
lint: setup
    {{ python }} -m ruff check
    {{ python }} -m ruff format --check
    {{ python }} tools/generate.py --check

# Check the types of the five packages
[no-exit-message]
types: setup
    {{ python }} -m mypy --strict {{ prepend("-p ", packages) }}

# Write the generated files: the copies of shared modules, the cffi tables, the stub's bytes
[no-exit-message]
generate: setup
    {{ python }} tools/generate.py

# Compare with the runtimes found in PATH, side by side (options are passed on)
[no-exit-message]
bench *options: setup
    @{{ python }} tests/bench/bench.py "$@"

# Run the tests on every supported Python found in PATH (pytest's options are passed on)
[no-exit-message]
matrix *options: _hatch
    @found=; \
    for version in 3.11 3.12 3.13 3.14; do \
        if "python$version" -c '' 2>/dev/null; then found=$found${found:+,}$version; \
        else echo "matrix: no python$version in PATH"; fi; \
    done; \
    {{ hatch }} run "+py=$found" test:run "$@"

# Build what would be published, into dist/, and install it from there
[no-exit-message]
release-check: lint types _hatch
    rm -rf dist
    for package in {{ packages }}; do (cd "$package" && ../{{ hatch }} build ../dist) || exit 1; done
    PYOCI_WHEELS=dist {{ python }} -m pytest tests/test_wheels.py

# Remove all that the recipes made, .venv included
clean:
    rm -rf dist .hypothesis .pytest_cache .mypy_cache .ruff_cache
    find . -name __pycache__ -type d -not -path './.venv/*' -exec rm -rf {} +
    rm -rf .venv

# hatch is large and only for two recipes, so it has an environment of its own.
_hatch: setup
    @[ -x {{ hatch }} ] || { {{ python }} -m venv --clear .venv/hatch && .venv/hatch/bin/python -m pip install -q hatch; }
