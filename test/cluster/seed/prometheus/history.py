"""Prints half a day of metrics as OpenMetrics text; the values depend on nothing but the host's name and the time."""
import random
import sys
import time

host = sys.argv[1]
# Whole two-hour blocks that ended some hours ago, so that they do not overlap with what Prometheus scrapes now.
end = int(time.time()) // 7200 * 7200 - 2 * 7200
times = range(end - 43200, end, 10)

print("# TYPE shop_orders counter")
for region in ("north", "south", "östlich"):
    for number, at in enumerate(times):
        print(f'shop_orders_total{{host="{host}",region="{region}"}} {number * (3 + len(region))} {at}')
# Random numbers do not compress, so that a snapshot is longer than a chunk of the archive.
print("# TYPE shop_queue_length gauge")
for queue in range(150):
    numbers = random.Random(f"{host} {queue}")
    for at in times:
        print(f'shop_queue_length{{host="{host}",queue="queue-{queue:03d}"}} {numbers.random() * 1000} {at}')
print("# EOF")
