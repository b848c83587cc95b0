// The data that is backed up: made from a seed, so that every machine has the same bytes.
//
// A shard is a directory of 128 MiB: 40 % log text, 30 % program-like binaries, 15 % small files, 15 % random bytes.
import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const mebibyte = 1024 * 1024;
export const shardBytes = 128 * mebibyte;

/** Writes shard `number` below `directory` and returns its name. The same number gives the same files everywhere. */
export function writeMixedShard(directory, number, bytes = shardBytes) {
  const name = `mixed-${pad(number)}`;
  const random = generator(`mixed ${number}`);
  const share = (part) => Math.floor(bytes * part);
  writeFiles(join(directory, name, 'log'), share(0.4), { size: 8 * mebibyte, extension: 'log' }, (size) =>
    logText(random, size),
  );
  writeFiles(join(directory, name, 'lib'), share(0.3), { size: 2 * mebibyte, extension: 'so' }, (size) =>
    programBytes(random, size),
  );
  writeFiles(join(directory, name, 'etc'), share(0.15), { size: 4096, extension: 'json' }, (size) =>
    settingsText(random, size),
  );
  writeFiles(join(directory, name, 'blob'), share(0.15), { size: 4 * mebibyte, extension: 'bin' }, (size) =>
    randomBytes(`blob ${number} ${random.next()}`, size),
  );
  return name;
}

/** The files of a random shard, equal in size. */
export const randomFiles = Array.from({ length: 8 }, (_, index) => `${pad(index, 5)}.bin`);

/** A shard that nothing can compress. */
export function writeRandomShard(directory, number, bytes = shardBytes) {
  const name = `random-${pad(number)}`;
  writeFiles(join(directory, name), bytes, { size: bytes / randomFiles.length, extension: 'bin' }, (size, index) =>
    randomBytes(`random ${number} ${index}`, size),
  );
  return name;
}

function writeFiles(directory, bytes, { size, extension }, content) {
  mkdirSync(directory, { recursive: true });
  for (let index = 0, left = bytes; left > 0; index += 1, left -= size) {
    const data = content(Math.min(size, left), index);
    writeFileSync(join(directory, `${pad(index, 5)}.${extension}`), data);
  }
}

/** Lines of a web server's and a system's log: repeated words, rising times, addresses and identifiers that differ. */
function logText(random, size) {
  const lines = [];
  let time = 1_700_000_000_000 + random.below(1e9);
  for (let length = 0; length < size;) {
    time += random.below(900);
    const line = random.below(4) === 0 ? systemLine(random, time) : webLine(random, time);
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, size);
}

function webLine(random, time) {
  const address = `10.${random.below(4)}.${random.below(64)}.${random.below(256)}`;
  return (
    `${new Date(time).toISOString()} ${address} "${random.of(methods)} ${random.of(paths)}${random.below(100_000)} HTTP/1.1" ` +
    `${random.of(statuses)} ${random.below(60_000)} ${random.below(10_000) / 1000} req-${random.hex()} ${random.of(agents)}\n`
  );
}

function systemLine(random, time) {
  const { daemon, before, after } = random.of(messages);
  return `${new Date(time).toISOString()} node${random.below(12)} ${daemon}: ${before} ${random.below(30_000)} ${after} id=${random.hex()}\n`;
}

/** Machine code's habits: few operations that are frequent, small numbers, pieces that come again, zeros, names, tables of addresses. */
function programBytes(random, size) {
  const room = 2048;
  const data = Buffer.alloc(size + room);
  for (let at = 0; at < size;) {
    const kind = random.below(1000);
    if (kind < 2) at = addressTable(random, data, at);
    else if (kind < 12) at += 8 * random.below(12);
    else if (kind < 40) at += data.write(`_${random.of(words)}_${random.of(words)}\0`, at);
    else if (kind < 70 && at > room) at += again(random, data, at);
    else at = instruction(random, data, at);
  }
  return data.subarray(0, size);
}

/** Repeats up to 120 bytes from not far back. */
function again(random, data, at) {
  const from = Math.max(0, at - 200 - random.below(30_000));
  return data.copy(data, at, from, from + 16 + random.below(104));
}

function instruction(random, data, start) {
  let at = start + random.of(operations).copy(data, start);
  const operands = random.below(5);
  if (operands < 3) data[at++] = random.of(smallNumbers);
  return operands === 0 ? data.writeUInt32LE(random.below(0x3_0000), at) : at;
}

/** Relocations of an ELF file: places 8 bytes apart, a type, an address. */
function addressTable(random, data, start) {
  let place = random.below(0x30_0000) * 8;
  let at = start;
  for (let left = 10 + random.below(60); left > 0; left -= 1, place += 8) {
    data.writeUInt32LE(place, at);
    data[at + 8] = 8;
    at = data.writeUInt32LE(random.below(0x30_0000), at + 16) + 4;
  }
  return at;
}

/** Configuration: lines and blocks that most files share, with values that differ. */
function settingsText(random, size) {
  const lines = [];
  for (let length = 0; length < size;) {
    const from = random.below(settings.length - 12);
    const block =
      settings.slice(from, from + 2 + random.below(10)).join('') + `  "${random.of(words)}": "${random.hex()}",\n`;
    lines.push(block);
    length += block.length;
  }
  return Buffer.from(lines.join('')).subarray(0, size);
}

function randomBytes(seed, size) {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(size));
}

/** Small, fast numbers from a seed: xorshift, 32 bits. */
function generator(seed) {
  let state = createHash('sha256').update(seed).digest().readUInt32LE() || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
  return {
    next,
    below: (limit) => Math.floor((next() / 2 ** 32) * limit),
    of: (list) => list[Math.floor((next() / 2 ** 32) * list.length)],
    hex: () => next().toString(16).padStart(8, '0'),
  };
}

function pad(number, digits = 2) {
  return String(number).padStart(digits, '0');
}

const shared = generator('shared');
/** A list from which the nth comes 1/n as often as the first (Zipf's law), as with words of a language and requests to a server. */
function byFrequency(list) {
  const size = 8192;
  return Array.from({ length: size }, (_, index) => list[Math.floor((list.length + 1) ** (index / size)) - 1]);
}

const letters = 'eeeeetttaaaooiinnsshhrrdlucmfwypvbgkjxqz';
const make = (length, item) => Array.from({ length }, item);
const words = byFrequency(make(4000, () => make(3 + shared.below(9), () => shared.of(letters)).join('')));
const sentence = (length) => make(length, () => shared.of(words)).join(' ');
const methods = ['GET', 'GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE'];
const statuses = [200, 200, 200, 200, 200, 200, 204, 301, 304, 404, 500, 503];
const agents = byFrequency(
  make(40, () => `"${shared.of(words)}/${shared.below(20)}.${shared.below(10)} (${sentence(2)})"`),
);
const paths = byFrequency(make(300, () => `/${shared.of(words)}/${shared.of(words)}/`));
const messages = byFrequency(
  make(120, () => ({
    daemon: `${shared.of(words)}d[${shared.below(30_000)}]`,
    before: sentence(2 + shared.below(5)),
    after: sentence(2 + shared.below(6)),
  })),
);
const settings = make(3000, () => `  "${shared.of(words)}_${shared.of(words)}": "${sentence(1 + shared.below(4))}",\n`);
const smallNumbers = byFrequency(make(256, (_, number) => number));
const operations = byFrequency(make(256, (_, index) => randomBytes(`operation ${index}`, 1 + (index % 4))));
