# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines' ``sitecustomize``: keep the code that is compiled out of zip files.

Ansible sends every module with what it imports in a zip file, and Python never caches what it
compiles out of one: without hardware acceleration that is most of a module's running time.
Entries are found by the hash of the source, so a changed source is another entry.
"""

from __future__ import annotations

import _imp
import marshal
import os
import zipimport

CACHE = "/var/cache/zipimport"
_compile = getattr(zipimport, "_compile_source", None)


def _compile_once(pathname, source, *rest):  # type: ignore[no-untyped-def]
    assert _compile is not None
    key = _imp.source_hash(marshal.version, source).hex()
    entry = f"{CACHE}/{key}-{len(source)}"
    try:
        with open(entry, "rb") as file:
            code = marshal.loads(file.read())
    except (OSError, EOFError, ValueError, TypeError):
        code = _compile(pathname, source, *rest)
        temporary = f"{entry}.{os.getpid()}"
        try:
            with open(temporary, "wb") as file:
                file.write(marshal.dumps(code))
            os.replace(temporary, entry)
        except OSError:
            pass
    else:
        _imp._fix_co_filename(code, pathname)  # type: ignore[attr-defined]
    return code


if _compile is not None:
    zipimport._compile_source = _compile_once  # type: ignore[attr-defined]
