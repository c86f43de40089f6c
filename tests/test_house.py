"""The house rules of design/design.md, held: who imports whom, what start-up loads, what is public."""

import ast
import importlib
import inspect
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from roboreward.cli import main
from roboreward.core import MissingExtra

CHECKOUT = Path(__file__).resolve().parents[1]
SRC = CHECKOUT / "src" / "roboreward"
DESIGN = (CHECKOUT / "design" / "design.md").read_text()
ROOMS_ON_DISK = sorted(path.parent.name for path in SRC.glob("*/__init__.py"))
FILES = sorted(SRC.rglob("*.py"))


def table(heading: str) -> dict[str, str]:
    """Return the two columns of the design's table whose first heading is `heading`."""
    block = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", DESIGN, re.MULTILINE)
    assert block, f"design.md has no table headed {heading!r}"
    cells = (line.strip("|").split("|") for line in block[1].splitlines())
    return {left.strip(): right.strip() for left, right in cells}


def permitted_rooms() -> dict[str, set[str]]:
    rows = table("room")
    # "everything but testing", and "the client package; never `serving`", say what they leave out.
    words = {room: set(re.findall(r"[a-z]+", cell.split(";")[0])) for room, cell in rows.items()}
    permitted = {room: names & set(rows) for room, names in words.items()}
    permitted["cli"] = set(rows) - {"testing", "cli"}
    return permitted


def permitted_third_parties() -> dict[str, set[str]]:
    rooms = set(table("room"))
    return {
        name: rooms if cell == "everything" else set(re.findall(r"[a-z]+", cell))
        for names, cell in table("third party").items()
        for name in names.split(", ")
    }


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    target: str

    @property
    def room(self) -> str:
        parts = self.file.relative_to(SRC).parts
        return parts[0] if len(parts) > 1 else ""

    @property
    def target_room(self) -> str:
        parts = self.target.split(".")
        return parts[1] if len(parts) > 1 else ""

    def __str__(self) -> str:
        return f"{self.file.relative_to(CHECKOUT)}:{self.line} imports {self.target}"


def imports_of(file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute in this house"
            module = node.module or ""
            if module == "roboreward":
                names = [n.name for n in node.names if (SRC / n.name).is_dir()]
                yield from (Import(file, node.lineno, f"roboreward.{name}") for name in names)
            yield Import(file, node.lineno, module)


IMPORTS = [found for file in FILES for found in imports_of(file)]
OWN = [found for found in IMPORTS if found.target.startswith("roboreward.") and found.room]


def test_every_room_has_a_row_in_the_design() -> None:
    assert set(ROOMS_ON_DISK) <= set(table("room"))


def test_rooms_import_only_the_rooms_that_the_design_permits() -> None:
    permitted = permitted_rooms()
    offences = [
        f"{found}; {found.room} may import: {', '.join(sorted(permitted[found.room]))}"
        for found in OWN
        if found.target_room not in permitted[found.room] | {found.room}
    ]
    assert not offences, "\n".join(offences)


def test_rooms_are_entered_through_their_doors() -> None:
    offences = [
        f"{found}; import it from roboreward.{found.target_room}"
        for found in OWN
        if found.target_room != found.room and found.target.count(".") > 1
    ]
    assert not offences, "\n".join(offences)


def test_third_parties_stay_in_their_rooms() -> None:
    permitted = permitted_third_parties()
    ours = {*sys.stdlib_module_names, "roboreward", "tomllib"}  # tomllib came with Python 3.11
    offences = []
    for found in IMPORTS:
        package = found.target.split(".")[0]
        if package not in ours and found.room not in permitted.get(package, set()):
            rooms = ", ".join(sorted(permitted.get(package, set()))) or "nobody"
            offences.append(f"{found}; {package} may be imported by: {rooms}")
    assert not offences, "\n".join(offences)


def test_the_table_of_the_design_has_no_cycle() -> None:
    remaining = permitted_rooms()
    while remaining:
        free = [room for room, needs in remaining.items() if not needs & set(remaining)]
        assert free, f"these rooms import each other in a circle: {sorted(remaining)}"
        for room in free:
            del remaining[room]


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print('\\n'.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in out.stdout.splitlines()}


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_after("import roboreward")
    assert not loaded & {"numpy", "pydantic", "torch", "av", "mujoco", "click", "rich", "PIL"}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "from roboreward.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code"
    )
    loaded = modules_after(code)
    assert "click" in loaded
    assert not loaded & {"numpy", "pydantic", "torch", "av", "mujoco", "rich", "PIL"}


@pytest.mark.parametrize("room", ROOMS_ON_DISK)
def test_everything_a_door_lists_exists_and_is_explained(room: str) -> None:
    door = importlib.import_module(f"roboreward.{room}")
    assert door.__doc__
    for name in door.__all__:
        try:
            thing = getattr(door, name)
        except MissingExtra:
            assert find_spec("torch") is None
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"roboreward.{room}.{name} has no docstring"


def test_the_names_for_newcomers_exist() -> None:
    import roboreward

    for name in roboreward.__all__:
        assert getattr(roboreward, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'scroe'"):
        roboreward.scroe  # noqa: B018


def test_the_version_is_the_same_everywhere() -> None:
    import roboreward

    assert f'\nversion = "{roboreward.__version__}"\n' in (CHECKOUT / "pyproject.toml").read_text()
    assert f"\nversion: {roboreward.__version__}\n" in (CHECKOUT / "CITATION.cff").read_text()


def test_the_package_says_that_it_is_typed() -> None:
    assert (SRC / "py.typed").is_file()


def test_sources_hold_no_unsafe_shortcut() -> None:
    forbidden = {
        r"\bpickle\b": "store JSON or safetensors",
        r"shell=True": "pass a list of arguments",
        r"(?<![.\w])(eval|exec)\(": "parse the text instead",
        r"trust_remote_code=True": "never run code that comes with weights",
    }
    offences = [
        f"{file.relative_to(CHECKOUT)}:{number}: {line.strip()} ({advice})"
        for file in FILES
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for pattern, advice in forbidden.items()
        if re.search(pattern, line) and not line.strip().startswith(("#", '"', "'"))
    ]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize("document", ["README.md", "AGENTS.md", "docs/cli.md", "CONTRIBUTING.md"])
def test_documents_mention_only_commands_that_exist(document: str) -> None:
    text = (CHECKOUT / document).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert target in targets, f"{document} mentions `make {target}`"
    for command in set(re.findall(r"(?:`|^)roboreward ((?:[a-z]+ ?)+)", text, re.MULTILINE)):
        words = command.split()
        group = main.commands.get(words[0])
        assert group, f"{document} mentions `roboreward {words[0]}`"
        verbs = getattr(group, "commands", None)
        if verbs is not None and len(words) > 1:
            assert words[1] in verbs, f"{document} mentions `roboreward {command}`"


def test_agents_file_stays_short() -> None:
    assert len((CHECKOUT / "AGENTS.md").read_text().splitlines()) <= 120


def test_continuous_integration_runs_what_the_readme_says() -> None:
    script = (CHECKOUT / ".ci" / "run").read_text()
    assert "make test\n" in script
    assert "make test" in (CHECKOUT / "README.md").read_text()


def test_constraints_are_plain_pins() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin) for pin in pins)


def test_tests_cannot_reach_the_network() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock,
        pytest.raises(RuntimeError, match="without a network"),
    ):
        sock.connect(("192.0.2.1", 80))


def test_every_verb_explains_itself() -> None:
    for name, command in main.commands.items():
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert command.help, f"roboreward {name} has no help"
