#!/usr/bin/env python3
"""test_tidy.py - breaks each rule of tidy.py once, and expects to hear of it; and that good code is left alone."""
import pathlib
import subprocess
import sys
import tempfile

TIDY = pathlib.Path(__file__).with_name("tidy.py")
CARD = "/* %s - a file. */\n"
GOOD = '#include "base/str.h"\n\nint f(int a)\n{\n    if (a)\n        goto out;\n    a = 2;\nout:\n    return a;\n}\n'
LEFT_TO_DO = "TO" + "DO"
HOST = "npm" + "js.org"
LONG_FUNCTION = "int f(void)\n{\n" + "    a();\n" * 58 + "}\n"
TANGLED = "int f(int a)\n{\n" + "".join(f"    if (a == {i})\n        a++;\n" for i in range(16)) + "    return a;\n}\n"

CASES = [  # sentence, path, text, the rule that must fire (None: nothing may)
    ("good code is left alone", "src/net/a.c", CARD % "a.c" + GOOD, None),
    ("a lower layer may be included", "src/gateway/a.c", CARD % "a.c" + '#include "book/a.h"\n#include "base/a.h"\n', None),
    ("upstream may include sim", "src/upstream/a.c", CARD % "a.c" + '#include "sim/a.h"\n', None),
    ("a banned word in a comment or string is none", "src/net/a.c", CARD % "a.c" + '/* strcpy(a) */\nchar *a = "system(1)";\n', None),
    ("a member that is called like a banned word", "src/net/a.c", CARD % "a.c" + "int f(void)\n{\n    return a->gets(1);\n}\n", None),
    ("store may prepare SQL", "src/store/a.c", CARD % "a.c" + 'int f(void)\n{\n    return prepare("SELECT 1 WHERE a = ?");\n}\n', None),
    ("SQL outside of store is not its concern", "src/net/a.c", CARD % "a.c" + 'int f(void)\n{\n    return snprintf(b, 1, "SELECT");\n}\n', None),
    ("60 lines are allowed", "src/net/a.c", CARD % "a.c" + LONG_FUNCTION.replace("    a();\n", "", 1), None),
    ("100 columns are allowed", "src/net/a.c", CARD % "a.c" + "/*" + "x" * 96 + "*/\n", None),
    ("a wide table is allowed", "src/base/a.def", CARD % "a.def" + "X(" + "x" * 150 + ")\n", None),

    ("no card", "src/net/a.c", "int a;\n", "card"),
    ("the card of another file", "src/net/a.c", CARD % "b.c", "card"),
    ("a table needs a card too", "src/net/a.def", "X(1)\n", "card"),
    ("a test needs a card too", "tests/unit/base/test_a.c", "int a;\n", "card"),
    ("upward include", "src/core/a.c", CARD % "a.c" + '#include "store/a.h"\n', "layer"),
    ("sideways include", "src/http/a.c", CARD % "a.c" + '#include "upstream/a.h"\n', "layer"),
    ("an include without its folder", "src/net/a.c", CARD % "a.c" + '#include "a.h"\n', "layer"),
    ("an include of no layer", "src/net/a.c", CARD % "a.c" + '#include "../x/a.h"\n', "layer"),
    ("a function of 61 lines", "src/net/a.c", CARD % "a.c" + LONG_FUNCTION.replace("{\n", "{\n    a();\n", 1), "function"),
    ("a file of 601 lines", "src/net/a.c", CARD % "a.c" + "int a;\n" * 600, "file"),
    ("a header of 151 lines", "src/net/a.h", CARD % "a.h" + "int a;\n" * 150, "header"),
    ("101 columns", "src/net/a.c", CARD % "a.c" + "/*" + "x" * 97 + "*/\n", "columns"),
    ("complexity 17", "src/net/a.c", CARD % "a.c" + TANGLED, "complexity"),
    ("goto another label", "src/net/a.c", CARD % "a.c" + GOOD.replace("out", "fail"), "goto"),
    ("goto backwards", "src/net/a.c", CARD % "a.c" + "int f(void)\n{\nout:\n    a();\n    goto out;\n}\n", "goto"),
    ("two labels out", "src/net/a.c", CARD % "a.c" + "int f(void)\n{\n    goto out;\nout:\nout:\n    return 1;\n}\n", "goto"),
    ("malloc in core", "src/core/a.c", CARD % "a.c" + "int f(void)\n{\n    return malloc(1);\n}\n", "pure"),
    ("a clock in core", "src/core/a.c", CARD % "a.c" + "#include <time.h>\n", "pure"),
    ("the log in core", "src/core/a.c", CARD % "a.c" + '#include "base/log.h"\n', "pure"),
    ("printed SQL", "src/store/a.c", CARD % "a.c" + 'int f(void)\n{\n    return snprintf(b, 1,\n        "SELECT %s", a);\n}\n', "sql"),
    ("joined SQL", "src/store/sqlite/a.c", CARD % "a.c" + 'int f(void)\n{\n    return buf_add(b, STR("WHERE a"));\n}\n', "sql"),
    ("SQLite's own printer", "src/store/a.c", CARD % "a.c" + "int f(void)\n{\n    return sqlite3_mprintf(a);\n}\n", "sql"),
    ("unfinished work in C", "src/net/a.c", CARD % "a.c" + f"/* {LEFT_TO_DO}: later */\n", "unfinished"),
    ("unfinished work in a script", "tools/a.sh", f"# {LEFT_TO_DO} later\n", "unfinished"),
    ("a registry's host", "tests/sdk/package-lock.json", f'"https://registry.{HOST}/openai"\n', "host"),
] + [(f"{word}()", "src/net/a.c", CARD % "a.c" + f"int f(void)\n{{\n    return {word}(1);\n}}\n", "banned")
     for word in ("strcpy strcat sprintf strtok gets atoi atol strncpy localtime gmtime alloca rand system assert").split()]


def tidy(files):
    """Runs the checker over a small tree. Returns (exit code, output)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        result = subprocess.run([sys.executable, str(TIDY), folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return result.returncode, result.stdout


def main():
    passed = failed = 0

    def expect(sentence, good, output):
        nonlocal passed, failed
        passed += good
        failed += not good
        if not good:
            print(f"FAILED: {sentence}\n{output}")

    for sentence, name, text, rule in CASES:
        code, output = tidy({name: text})
        if rule is None:
            expect(sentence, code == 0 and output == "", output)
        else:
            expect(sentence, code == 1 and output.count(f"[{rule}]") == 1 and output.count("\n") == 1, output)

    bad = {"src/net/a.c": CARD % "a.c" + "/*" + "x" * 97 + "*/\n"}
    code, output = tidy({**bad, "tools/tidy_waivers.txt": "src/net/a.c:columns:a table reads better\n"})
    expect("a waiver with a reason is honoured", code == 0, output)
    code, output = tidy({**bad, "tools/tidy_waivers.txt": "src/net/a.c:columns:\n"})
    expect("a waiver without a reason is refused", code == 1 and "reason" in output, output)
    code, output = tidy({"src/net/a.c": CARD % "a.c", "tools/tidy_waivers.txt": "src/net/a.c:columns:was needed once\n"})
    expect("a waiver that waives nothing is reported", code == 1 and "waives nothing" in output, output)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
