"""What a shell and the program say to each other while a command line is typed.

The shell hands over the line up to the cursor, in COMP_LINE, and not the words it has made of it:
bash breaks words at `=` and `:`, zsh and fish do not.  The answer is a line for each proposal:

    plain,WORD      a word; for zsh and fish a tab and what it means may follow
    file,           the shell is to complete a file's name, or after `dir,` a folder's

A word replaces what is typed of the value: after `--format=j` it is `json`.
"""

from __future__ import annotations

from .commands import OCI
from .reader import FALSE
from .table import WITHOUT_VALUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from .layout import CompleteId
    from .table import Option, Table

SHELLS = ("bash", "zsh", "fish")

# In each: PROGRAM, FUNCTION and VARIABLE.
_BASH = r"""
FUNCTION() {
    local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]} answer before=
    # Where = breaks no words, the option before it is part of what is replaced.
    [[ $word == -*=* ]] && before=${word%%=*}=
    COMPREPLY=()
    while IFS= read -r answer; do
        case $answer in
            plain,*) COMPREPLY+=("$before${answer#*,}") ;;
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
        esac
    done < <(COMP_LINE=$line VARIABLE=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F FUNCTION PROGRAM
"""
_ZSH = r"""
#compdef PROGRAM

FUNCTION() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX" answer word
    local -a plain described
    (( $+commands[PROGRAM] )) || return 1
    # The option before a value stays as it is.
    [[ $PREFIX == -*=* ]] && compset -P 1 '*='
    for answer in "${(@f)$(COMP_LINE=$line VARIABLE=zsh_complete PROGRAM 2>/dev/null)}"; do
        word=${answer#*,}
        case $answer in
            plain,*$'\t'*) described+=("${${word%%$'\t'*}//:/\\:}:${word#*$'\t'}") ;;
            plain,*) plain+=("$word") ;;
            dir,*) _path_files -/ ;;
            file,*) _path_files -f ;;
        esac
    done
    (( $#described )) && _describe -V PROGRAM described
    (( $#plain )) && compadd -V PROGRAM -a plain
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    FUNCTION "$@"
else
    compdef FUNCTION PROGRAM
fi
"""
_FISH = r"""
function FUNCTION
    set -l line (commandline -cp | string collect)
    # fish replaces the whole word, the option before a value included.
    set -l before (string match -r -- '^-[^=]*=' (commandline -ct))
    for answer in (COMP_LINE=$line VARIABLE=fish_complete PROGRAM 2>/dev/null)
        set -l parts (string split -m 1 -- , $answer)
        switch $parts[1]
            case plain
                printf '%s%s\n' "$before" $parts[2]
            case dir
                printf "$before%s\n" (__fish_complete_directories $parts[2])
            case file
                printf "$before%s\n" (__fish_complete_path $parts[2])
        end
    end
end

complete --no-files --command PROGRAM --arguments '(FUNCTION)'
"""
_SCRIPTS = dict(zip(SHELLS, (_BASH, _ZSH, _FISH)))


def completion_script(shell: str, program: str) -> str:
    """Return the script by which a shell completes the program's command lines.

    The script calls the program with `completion_variable` set; it answers by `complete`.
    KeyError for a shell that is not one of SHELLS.
    """
    script = _SCRIPTS[shell].lstrip("\n")
    function = f"_{program.replace('-', '_')}_completion"
    # The program last: it may contain the words that stand for the others.
    for word, text in (
        ("FUNCTION", function),
        ("VARIABLE", completion_variable(program)),
        ("PROGRAM", program),
    ):
        script = script.replace(word, text)
    return script


def completion_variable(program: str) -> str:
    """Return the environment variable that asks the program for completions."""
    return f"_{program.upper().replace('-', '_')}_COMPLETE"


def complete(
    instruction: str, program: str, table: Table = OCI, complete_id: CompleteId | None = None
) -> str:
    """Answer a shell; `instruction` is the value of the variable, such as `bash_complete`.

    The line that was typed so far is in the environment, in COMP_LINE.
    """
    import os

    from click.shell_completion import ShellComplete

    from .people import group

    shell = instruction.partition("_")[0]
    if shell not in SHELLS:
        raise KeyError(shell)
    words, incomplete = _typed(os.environ.get("COMP_LINE", ""))
    if incomplete[:1] == "-" and "=" in incomplete:
        name, _, incomplete = incomplete.partition("=")
        words.append(name)
    made = group(program, table, complete_id)
    asked = ShellComplete(made, {}, program, completion_variable(program))
    found = asked.get_completions(list(_in_clicks_dialect(words, table)), incomplete)
    lines = []
    for item in found:
        help = "" if shell == "bash" or not item.help else f"\t{item.help}"
        lines.append(f"{item.type},{item.value}{help}")
    return "\n".join(lines)


def _typed(line: str) -> tuple[list[str], str]:
    """Return the words before the one at the cursor, without the program, and what it has."""
    from click.shell_completion import split_arg_string

    # With one character more there is a last word always, also after a blank.
    _, *words, last = ["", *split_arg_string(line + "_")]
    return words[1:], last[:-1]


def _in_clicks_dialect(words: Sequence[str], table: Table) -> Iterator[str]:
    """Yield words that click reads as our reader reads these.

    Ours takes one dash before a long name and `--flag=false`, click does not.
    """
    coming = iter(words)
    command = yield from _options(coming, table.options(), stop=True)
    row = table.command(command) if command is not None else None
    if row is not None:
        yield from _options(coming, row.options, stop=row.options_stop)
    yield from coming


def _options(
    coming: Iterator[str], options: Iterable[Option], *, stop: bool
) -> Generator[str, None, str | None]:
    """Yield options and what is between them; return the word that ended them."""
    known = {name: option for option in options for name in option.names}
    for word in coming:
        name, equals, text = word.removeprefix("-").removeprefix("-").partition("=")
        option = known.get(name) if word[:1] == "-" else None
        if option is None:
            yield word
            if word == "--" or (stop and word[:1] != "-"):
                return word
        elif option.kind not in WITHOUT_VALUE:
            yield option.spellings[-1]
            yield from [text] if equals else _next(coming)
        elif text not in FALSE:
            yield option.spellings[-1]
    return None


def _next(coming: Iterator[str]) -> list[str]:
    word = next(coming, None)
    return [] if word is None else [word]
