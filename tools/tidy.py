#!/usr/bin/env python3
"""tidy.py - the style rules that a machine can check; runs as a test. usage: tools/tidy.py [ROOT]

Rules, by the name that a waiver uses:
  card       the first line says what the file is: /* name.c - one line */
  layer      a file includes its own folder and lower ranks only, always as "layer/file.h"
  function   at most 60 lines        complexity  at most 15 (pmccabe)
  file       at most 600 lines       header      at most 150 lines      columns  at most 100
  banned     calls that are never safe enough (strcpy, atoi, localtime, system, assert …)
  goto       only forward, only to one label `out`
  pure       core/ has no memory, clock, file, socket or log
  sql        src/store prepares its statements: nothing prints or joins SQL text
  unfinished a note that work is left to do
  host       no host of a package registry is named
Waivers: tools/tidy_waivers.txt, one per line: path:rule:reason. One that waives nothing is itself reported.
"""
import pathlib
import re
import shutil
import subprocess
import sys

FILE_LINES_MAX = 600
HEADER_LINES_MAX = 150
FUNCTION_LINES_MAX = 60
LINE_COLUMNS_MAX = 100
COMPLEXITY_MAX = 15
RANK = {"base": 0, "codec": 1, "core": 1, "sim": 2, "net": 2, "journal": 2, "store": 2, "book": 3, "govern": 3, "http": 3,
        "upstream": 3, "gateway": 4, "admin": 4, "money": 4, "app": 5}
BANNED = {"strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "atoi", "atol", "atoll", "atof", "strncpy",
          "strncat", "localtime", "gmtime", "asctime", "ctime", "alloca", "rand", "srand", "system", "popen", "assert"}
PURE_CALLS = {"malloc", "calloc", "realloc", "free", "strdup", "time", "clock_gettime", "gettimeofday", "fopen",
              "open", "read", "write", "socket", "printf", "fprintf", "puts", "getenv", "LOG", "log_event", "clock_now_ns",
              "clock_now_ms", "random_bytes"}
PURE_HEADERS = {"stdio.h", "time.h", "unistd.h", "fcntl.h", "errno.h", "pthread.h", "sys/socket.h", "sys/time.h",
                "base/log.h", "base/clock.h", "base/random.h", "base/arena.h", "base/buf.h"}
PRINTERS = r"\b(\w*printf|\w*_addf|\w*_format|buf_add\w*|strlcat|str_join)\s*\("
SQL_WORDS = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|WHERE|VALUES|ATTACH|BEGIN)\b")
# Written in halves, so that this file does not report itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
HOSTS = re.compile("|".join([r"npm" r"js\.(?:org|com)", r"yarn" r"pkg\.com", r"py" r"pi\.org", r"deb\.deb" r"ian\.org",
                             r"crates" r"\.io", r"proxy\.gol" r"ang\.org", r"github" r"usercontent\.com",
                             r"registry" r"\.[a-z]+\.(?:org|com|dev|io)"]), re.I)
TEXT_SUFFIXES = {".c", ".h", ".def", ".py", ".sh", ".mjs", ".ts", ".tsx", ".json", ".md", ".yaml", ".yml", ".txt", ".build",
                 ".service", ".sql", ""}
SKIPPED_FOLDERS = {".git", "build", "node_modules", "cota-data", "__pycache__", "corpus"}


def blank(text, strings):
    """The code without comments (and without string contents, when asked), line numbers unchanged."""
    def keep_lines(match):
        if match[0][0] == '"' and not strings:
            return match[0]
        return ('""' if match[0][0] == '"' else " ") + "\n" * match[0].count("\n")
    return re.sub(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'""", keep_lines, text, flags=re.S)


def functions(lines):
    """Yields (name, first line, last line). Our format opens and closes a body in column 0."""
    name, first, inside = None, 0, False
    for number, line in enumerate(lines, 1):
        if inside:
            if line.startswith("}"):
                yield name, first, number
                name, inside = None, False
        elif line.startswith("{"):
            inside = name is not None
        elif head := re.match(r"(?!typedef|struct \w+ \{|enum|union)[A-Za-z_][\w\s*]*?\b(\w+)\(", line):
            name, first = head[1], number
        elif line and not line.startswith((" ", "\t", "#")) and not re.match(r"[A-Za-z_]", line):
            name = None


def check_includes(layer, lines):
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not include:
            continue
        folder = include[1].split("/")[0]
        if "/" not in include[1]:
            yield number, "layer", f'write the folder: #include "{layer}/{include[1]}"'
        elif folder not in RANK:
            yield number, "layer", f"{folder} is not a layer"
        elif folder != layer and RANK[folder] >= RANK[layer]:
            yield number, "layer", f"{layer} may not include {folder}"


def check_pure(lines):
    for number, line in enumerate(lines, 1):
        if (include := re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)) and include[1] in PURE_HEADERS:
            yield number, "pure", f"core may not include {include[1]}"


def check_calls(layer, code_lines):
    for number, line in enumerate(code_lines, 1):
        for word in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            if word in BANNED:
                yield number, "banned", f"{word}() is not allowed"
            elif layer == "core" and word in PURE_CALLS:
                yield number, "pure", f"{word}() has no place in core"


def check_goto(lines, spans):
    for name, first, last in spans:
        body = lines[first - 1:last]
        labels = [first + i for i, line in enumerate(body) if re.match(r"\s*out:", line)]
        if len(labels) > 1:
            yield labels[1], "goto", f"{name}() has more than one label out"
        for i, line in enumerate(body):
            if jump := re.search(r"\bgoto\s+(\w+)", line):
                if jump[1] != "out":
                    yield first + i, "goto", "goto may only jump to out"
                elif not labels or labels[0] < first + i:
                    yield first + i, "goto", "goto may only jump forward"


def check_sql(code):
    """`code` still has its strings. A call that builds text must not be given words of SQL."""
    for call in re.finditer(PRINTERS, code):
        depth, end = 1, call.end()
        while depth and end < len(code):
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        number = code.count("\n", 0, call.start()) + 1
        if call[1].startswith("sqlite3_"):
            yield number, "sql", f"{call[1]}() builds SQL text: prepare and bind"
        elif SQL_WORDS.search("".join(re.findall(r'"(?:\\.|[^"\\])*"', code[call.start():end]))):
            yield number, "sql", f"{call[1]}() builds SQL text: prepare and bind"


def check_c(path, relative, text):
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    layer = relative.parts[1] if relative.parts[0] == "src" and len(relative.parts) > 2 else None
    if not lines or not re.match(rf"/\* {re.escape(path.name)} - \S", lines[0]):
        yield 1, "card", f"must begin with /* {path.name} - what it is"
    if path.suffix == ".h" and len(lines) > HEADER_LINES_MAX:
        yield 1, "header", f"{len(lines)} lines, at most {HEADER_LINES_MAX}"
    if path.suffix == ".c" and len(lines) > FILE_LINES_MAX:
        yield 1, "file", f"{len(lines)} lines, at most {FILE_LINES_MAX}"
    if path.suffix == ".def":
        return  # tables are one row per line, however long, and are no code
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            yield number, "columns", f"{len(line)} columns, at most {LINE_COLUMNS_MAX}"
    code_lines = blank(text, True).split("\n")
    spans = list(functions(code_lines))
    for name, first, last in spans:
        if last - first + 1 > FUNCTION_LINES_MAX:
            yield first, "function", f"{name}() has {last - first + 1} lines, at most {FUNCTION_LINES_MAX}"
    yield from check_calls(layer, code_lines)
    yield from check_goto(code_lines, spans)
    if layer:
        yield from check_includes(layer, blank(text, False).split("\n"))
    if layer == "core":
        yield from check_pure(lines)
    if layer == "store":
        yield from check_sql(blank(text, False))


def check_text(text):
    for number, line in enumerate(text.split("\n"), 1):
        if found := UNFINISHED.search(line):
            yield number, "unfinished", f"{found[0]}: finish it, or open an issue"
        if found := HOSTS.search(line):
            yield number, "host", f"{found[0]}: no registry's host belongs in the repository"


def check_complexity(root, files):
    if not files:
        return
    output = subprocess.run(["pmccabe"] + [str(path) for path in files], stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        fields = line.split("\t")
        if len(fields) >= 6 and int(fields[0]) > COMPLEXITY_MAX:
            place = re.match(r"(.*)\((\d+)\): (\w+)", fields[5])
            yield (str(pathlib.Path(place[1]).relative_to(root)), int(place[2]), "complexity",
                   f"{place[3]}() has complexity {fields[0]}, at most {COMPLEXITY_MAX}")


def text_files(root):
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if not SKIPPED_FOLDERS & set(relative.parts[:-1]) and path.is_file() and path.suffix in TEXT_SUFFIXES:
            if not relative.parts[0].startswith("build-"):
                yield path, relative


def findings(root):
    """Everything that breaks a rule, as (file, line, rule, what)."""
    code = []
    for path, relative in text_files(root):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        name = str(relative)
        if name != "LICENSE":
            yield from ((name, *finding) for finding in check_text(text))
        if relative.parts[0] in ("src", "tests", "bench") and path.suffix in (".c", ".h", ".def"):
            yield from ((name, *finding) for finding in check_c(path, relative, text))
            if path.suffix == ".c":
                code.append(path)
    if shutil.which("pmccabe"):
        yield from check_complexity(root, code)
    else:
        yield "tools/packages.txt", 1, "complexity", "pmccabe is not installed"


def waivers(root):
    path = root / "tools" / "tidy_waivers.txt"
    result = {}
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if line.strip() and not line.startswith("#"):
            parts = line.split(":", 2)
            if len(parts) != 3 or not parts[2].strip():
                sys.exit(f"tools/tidy_waivers.txt:{number}: write path:rule:reason")
            result[parts[0].strip(), parts[1].strip()] = number
    return result


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    waived = waivers(root)
    used = set()
    bad = 0
    for name, number, rule, what in findings(root):
        if (name, rule) in waived:
            used.add((name, rule))
            continue
        print(f"{name}:{number}: {what} [{rule}]")
        bad += 1
    for waiver in sorted(set(waived) - used):
        print(f"tools/tidy_waivers.txt:{waived[waiver]}: {waiver[0]}:{waiver[1]} waives nothing")
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
