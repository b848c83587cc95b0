"""Prints what `ansible-inventory -i FILE --list` prints, for many files at the price of one start.

A directory with a file `inventory` in it stands for that file.

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
# Those of variables are made as well as loaded, or Ansible takes it that there are none.
_prime_vars_loader()


def list_in_child(path, out, err):
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    build = os.path.join(path, "inventory")
    source = build if os.path.isfile(build) else path
    sys.argv = ["ansible-inventory", "-i", source, "--list", *vault_ids(path)]
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
