#!/usr/bin/env python3
"""embed.py - a text file as a C function that answers it. usage: tools/embed.py FILE FUNCTION HEADER OUT.c"""
import pathlib
import sys

PER_LINE = 20


def main():
    source, function, header, out = sys.argv[1:]
    data = pathlib.Path(source).read_bytes()
    rows = "\n".join("    " + " ".join(f"{byte}," for byte in data[at:at + PER_LINE]) for at in range(0, len(data), PER_LINE))
    pathlib.Path(out).write_text(
        f"/* {pathlib.Path(out).name} - made by tools/embed.py of {pathlib.Path(source).name}. */\n"
        f'#include "{header}"\n\nstatic const unsigned char bytes[] = {{\n{rows}\n}};\n\n'
        f"struct str {function}(void)\n{{\n    return str_make((const char *)bytes, sizeof bytes);\n}}\n")


if __name__ == "__main__":
    main()
