import { asRabbitmq } from './rabbitmq-state.js';

/** AMQP 0-9-1 over a socket, as a client speaks it; nothing of a library. Arguments: user (also its password), virtual host, `publish` or `read`, queue, then for publish its type, messages. */
const client = `
import hashlib, random, socket, struct, sys
user, vhost, verb, queue = sys.argv[1:5]
connection = socket.create_connection(("127.0.0.1", 5672), 30)
stream = connection.makefile("rb")
short = lambda text: struct.pack(">B", len(text)) + text
long = lambda text: struct.pack(">I", len(text)) + text
def frame(kind, channel, payload):
    connection.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\\xce")
def method(channel, one, other, payload=b""):
    frame(1, channel, struct.pack(">HH", one, other) + payload)
def receive():
    kind, _, length = struct.unpack(">BHI", stream.read(7))
    return kind, stream.read(length + 1)[:-1]
def expect(*wanted):
    while True:
        kind, payload = receive()
        if kind == 8: continue
        found = struct.unpack(">HH", payload[:4])
        if found not in wanted: raise SystemExit("unexpected %s %s" % (found, payload[:300]))
        return found, payload[4:]
connection.sendall(b"AMQP\\0\\0\\x09\\x01")
expect((10, 10))
method(0, 10, 11, long(b"") + short(b"PLAIN") + long(b"\\0" + user.encode() + b"\\0" + user.encode()) + short(b"en_US"))
_, tune = expect((10, 30))
channels, size, _ = struct.unpack(">HIH", tune)
method(0, 10, 31, struct.pack(">HIH", channels, size, 0))
method(0, 10, 40, short(vhost.encode()) + short(b"") + b"\\0")
expect((10, 41))
method(1, 20, 10, short(b""))
expect((20, 11))
if verb == "publish":
    method(1, 85, 10, b"\\0")
    expect((85, 11))
    arguments = short(b"x-queue-type") + b"S" + long(sys.argv[5].encode())
    method(1, 50, 10, b"\\0\\0" + short(queue.encode()) + b"\\x02" + long(arguments))
    expect((50, 11))
    numbers = random.Random(queue)
    count = int(sys.argv[6])
    for number in range(count):
        # Small ones lie in the queue's index, large ones in the message store.
        body = b"%d:" % number + numbers.randbytes(200000 if number % 50 == 7 else numbers.choice([0, 10, 5000]))
        method(1, 60, 40, b"\\0\\0" + short(b"") + short(queue.encode()) + b"\\0")
        frame(2, 1, struct.pack(">HHQH", 60, 0, len(body), 0x1000) + b"\\x02")
        for start in range(0, len(body), size - 8): frame(3, 1, body[start:start + size - 8])
    pending = set(range(1, count + 1))
    while pending:
        _, payload = expect((60, 80))
        tag, multiple = struct.unpack(">QB", payload)
        pending -= set(range(1, tag + 1)) if multiple else {tag}
else:
    # Nothing is acknowledged: all of it returns to the queue when the connection ends; in a quorum queue of RabbitMQ 3.10 in another order.
    while True:
        method(1, 60, 70, b"\\0\\0" + short(queue.encode()) + b"\\0")
        found, _ = expect((60, 71), (60, 72))
        if found == (60, 72): break
        _, header = receive()
        length, body = struct.unpack(">Q", header[4:12])[0], b""
        while len(body) < length: body += receive()[1]
        print(queue, body.split(b":")[0].decode(), length, hashlib.sha256(body).hexdigest())
method(0, 10, 50, struct.pack(">H", 200) + short(b"") + struct.pack(">HH", 0, 0))
expect((10, 51))
`;

export interface Client {
  readonly host: string;
  /** Its password is the same. */
  readonly user: string;
  readonly vhost: string;
}

/** Publishes persistent messages to a queue of this type, which is made, and waits until the broker has all of them. */
export async function publish(
  { host, user, vhost }: Client,
  queue: { readonly name: string; readonly type: 'classic' | 'quorum'; readonly messages: number },
): Promise<void> {
  const more = ['publish', queue.name, queue.type, String(queue.messages)];
  await asRabbitmq(host, 'exec python3 -c "$@"', client, user, vhost, ...more);
}

/** One line for each message, in its order: queue, number, length, SHA-256. The messages stay; those of a quorum queue are in another order then. */
export async function readMessages({ host, user, vhost }: Client, queue: string): Promise<readonly string[]> {
  const said = await asRabbitmq(host, 'exec python3 -c "$@"', client, user, vhost, 'read', queue);
  return said.split('\n').filter(Boolean);
}
