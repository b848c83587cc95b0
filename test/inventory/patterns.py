"""Prints which hosts `ansible all -i FILE --list-hosts --limit PATTERN` chooses, for many patterns at the price of one start.

Reads one JSON line each: {"file", "limit"}; writes one each: {"hosts", "warnings"}, or {"error", "warnings"} where Ansible fails. Every
file is read once, by Ansible's own code, and asked as its command line asks.
"""

import json
import sys

from ansible.cli import CLI
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display

warnings = []
Display().warning = lambda message, *args, **kwargs: warnings.append(message)
inventories = {}


def answer(file, limit):
    if file not in inventories:
        inventories[file] = InventoryManager(loader=DataLoader(), sources=[file])
    warnings.clear()
    inventories[file].clear_caches()
    inventories[file].subset(None)
    try:
        hosts = CLI.get_host_list(inventories[file], limit)
        return {"hosts": [host.name for host in hosts], "warnings": warnings}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "warnings": warnings}


for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps(answer(question["file"], question["limit"])), flush=True)
