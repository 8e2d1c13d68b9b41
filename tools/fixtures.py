#!/usr/bin/env python3
"""fixtures.py - the shared protocol vectors, unpacked once into build/fixtures; prints their folder, if there are any.

They live beside the repository (../shared/fixtures), never in it. Tests that read them skip when they are absent.
"""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT.parent / "shared" / "fixtures"
UNPACKED = ROOT / "build" / "fixtures"


def fixtures():
    """The folder with suites/ and kit/, or None. A newer archive is unpacked again."""
    archive = SOURCE / "suites.tar.xz"
    done = UNPACKED / ".unpacked"
    if not archive.exists():
        return None
    if not done.exists() or done.stat().st_mtime < archive.stat().st_mtime:
        shutil.rmtree(UNPACKED, ignore_errors=True)
        subprocess.run([str(SOURCE / "unpack"), str(UNPACKED)], check=True, stdin=subprocess.DEVNULL)
        done.touch()
    return UNPACKED


if __name__ == "__main__":
    folder = fixtures()
    if folder is None:
        sys.exit(f"there are no fixtures in {SOURCE}")
    print(folder)
