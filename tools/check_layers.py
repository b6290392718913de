#!/usr/bin/env python3
"""Checks rules that the compiler does not: includes between rooms (the table in ARCHITECTURE.md), the DEPS of
src/CMakeLists.txt, and the length of files and functions. Prints every violation; exits 1 if there is one."""

import argparse
import pathlib
import re
import sys

MAX_LINES = {".cc": 400, ".h": 150, ".py": 400}
MAX_FUNCTION_LINES = 60
GENERATED = ("mop_build_info.h",)
CODE_FOLDERS = ("src", "tests", "bench", "examples", "tools")


def read_table(text):
    """Returns {room: set of rooms it may include} from the Markdown table with a column `may include`."""
    rooms, in_table = {}, False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and "may include" in cells[-1]:
            in_table = True
        elif in_table and not line.startswith("|"):
            break
        elif in_table and not set(cells[0]) <= set("-: "):
            rooms[cells[0]] = {room for room in cells[-1].split() if room != "-"}
    return rooms


def check_table(rooms):
    for room, allowed in rooms.items():
        for other in sorted(allowed - rooms.keys()):
            yield f"ARCHITECTURE.md: {room} may include {other}, which is not a room"
    # Rooms are in the order of the data flow, so an arrow to a later room could form a cycle.
    order = list(rooms)
    for room, allowed in rooms.items():
        for other in sorted(allowed & rooms.keys()):
            if order.index(other) >= order.index(room):
                yield f"ARCHITECTURE.md: {room} may include {other}, which stands below it in the table"


def check_includes(root, rooms):
    for file in sorted((root / "src").glob("*/**/*")):
        if file.suffix not in (".h", ".cc"):
            continue
        room, where = file.relative_to(root / "src").parts[0], file.relative_to(root)
        if room not in rooms:
            yield f"{where}: room '{room}' is not in ARCHITECTURE.md's table"
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match:
                yield from check_include(root, rooms, room, match[1], f"{where}:{number}")


def check_include(root, rooms, room, path, where):
    if path in GENERATED:
        return
    path = path.removesuffix(".inc") if path.endswith((".py.inc", ".cu.inc", ".jsonl.inc")) else path  # embedded: cmake/Modules.cmake
    other = path.split("/")[0]
    if not (root / "src" / path).exists():
        yield f"{where}: \"{path}\" is not a file of src/ (write the path from there)"
    elif other != room and other not in rooms[room]:
        yield f"{where}: {room} may not include {other} (\"{path}\"); may: {' '.join(sorted(rooms[room])) or '-'}"


def check_deps(root, rooms):
    text = (root / "src" / "CMakeLists.txt").read_text()
    seen = set()
    for name, rest in re.findall(r"mop_(?:module|extension)\((\w+)([^)]*)\)", text):
        seen.add(name)
        match = re.search(r"DEPS([^)]*?)(LINK|$)", rest, re.S)
        deps = set(match[1].split()) if match else set()
        if name not in rooms:
            yield f"src/CMakeLists.txt: module '{name}' is not in ARCHITECTURE.md's table"
        for other in sorted(deps ^ rooms.get(name, deps)):
            side = "DEPS" if other in deps else "the table"
            yield f"src/CMakeLists.txt: {name} has {other} in {side} only (ARCHITECTURE.md)"
    for room in sorted(rooms.keys() - seen):
        yield f"src/CMakeLists.txt: no mop_module for room '{room}'"


def functions(lines):
    """Yields (first line, name, length) of top-level functions: Google style closes them with a brace in column 0.
    Functions of at most six statements are tables, which may be long."""
    start = None
    for number, line in enumerate(lines, 1):
        opens = line.endswith("{") and not line.startswith(("namespace", "class", "struct", "enum", "extern", "#"))
        if start is None and re.match(r"[A-Za-z~].*\(", line):
            start = number
        elif start is None and line[:1] not in " }" and opens:
            start = number
        if start is not None and (line.endswith(";") and not line.startswith((" ", "}"))):
            start = None
        if line.startswith("}") and start is not None:
            statements = sum(1 for inner in lines[start:number] if re.match(r"  \S.*;$|  }", inner))
            if statements > 6:  # else it is a table
                yield start, lines[start - 1].strip(), number - start + 1
            start = None


def check_lengths(root):
    for folder in CODE_FOLDERS:
        for file in sorted((root / folder).glob("**/*")):
            if file.suffix not in MAX_LINES or "golden" in file.parts[:-1] and file.suffix != ".cc":
                continue
            lines, where = file.read_text().splitlines(), file.relative_to(root)
            if len(lines) > MAX_LINES[file.suffix]:
                yield f"{where}: {len(lines)} lines, at most {MAX_LINES[file.suffix]}"
            if file.suffix == ".cc":
                for first, name, length in functions(lines):
                    if length > MAX_FUNCTION_LINES:
                        yield f"{where}:{first}: {length} lines, at most {MAX_FUNCTION_LINES}: {name}"


def check_readers(root):
    """Files of strangers are parsed in one place, which has the limits."""
    past = {r"\b[Jj]son::(parse|accept|sax_parse)\s*\(": "base/parse_json.cc", r"\bYAML::Load": "base/json.cc"}
    for file in sorted((root / "src").glob("*/**/*.cc")):
        where = file.relative_to(root / "src")
        for pattern, place in past.items():
            if str(where) != place and re.search(pattern, file.read_text()):
                yield f"src/{where}: parses past the limits of {place}"


def check(root):
    rooms = read_table((root / "ARCHITECTURE.md").read_text())
    if not rooms:
        return ["ARCHITECTURE.md: no table with a column 'may include'"]
    return [*check_table(rooms), *check_includes(root, rooms), *check_deps(root, rooms), *check_lengths(root),
            *check_readers(root)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    breaches = check(parser.parse_args().root)
    for breach in breaches:
        print(breach)
    print(f"{len(breaches)} violations" if breaches else "every include follows the table")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
