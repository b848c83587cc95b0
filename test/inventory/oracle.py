"""Prints what `ansible-inventory -i FILE --list` prints, for many files at the price of one start.

A directory with one thing in it that is called `inventory` or `hosts`, with or without an extension, stands for that.

Ansible is imported once; every file is then listed by Ansible's own command line in a forked child, so no state passes from one
file to the next. Reads one path a line from standard input, writes one JSON line each: {"file", "status", "stdout", "stderr"}.
"""

import json
import os
import sys
import tempfile

from ansible.cli.inventory import InventoryCLI
from ansible.plugins.loader import connection_loader, inventory_loader
from ansible.vars.plugins import _prime_vars_loader

for loader in (connection_loader, inventory_loader):
    list(loader.all(class_only=True))
# Done here once, not in every child: it takes ten times as long as listing a file.
_prime_vars_loader()


def list_in_child(path, out, err):
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.argv = ["ansible-inventory", "-i", source_in(path), "--list", *vault_ids(path)]
    status = 1
    try:
        InventoryCLI.cli_executor(sys.argv)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def source_in(path):
    if not os.path.isdir(path) or os.path.basename(path) == "inventory":
        return path
    names = [name for name in os.listdir(path) if os.path.splitext(name)[0] in ("inventory", "hosts")]
    return os.path.join(path, names[0]) if len(names) == 1 else path


def vault_ids(path):
    """A case that is a build directory may hold passwords: `.vault-LABEL`."""
    if not os.path.isdir(path):
        return []
    names = sorted(name for name in os.listdir(path) if name.startswith(".vault-"))
    return [word for name in names for word in ("--vault-id", f"{name[7:]}@{path}/{name}")]


def text_of(file):
    file.seek(0)
    return file.read().decode("utf-8", "replace")


for line in sys.stdin:
    path = line.rstrip("\n")
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            list_in_child(path, out, err)
        _, waited = os.waitpid(child, 0)
        answer = {
            "file": path,
            "status": os.waitstatus_to_exitcode(waited),
            "stdout": text_of(out),
            "stderr": text_of(err),
        }
    print(json.dumps(answer), flush=True)
