/** Messages of SSH's connection protocol by their number (RFC 4254, section 9). */
export const messageTypes = {
  channelOpen: 90,
  channelOpenConfirmation: 91,
  channelOpenFailure: 92,
  channelWindowAdjust: 93,
  channelData: 94,
  channelExtendedData: 95,
  channelEof: 96,
  channelClose: 97,
  channelRequest: 98,
  channelSuccess: 99,
  channelFailure: 100,
} as const;

/** Values one after another as RFC 4251, section 5, writes them: a number as uint32, true and false as a byte, text and bytes with their length. */
export function encode(...values: readonly (number | boolean | string | Buffer)[]): Buffer {
  return Buffer.concat(values.map(encodeValue));
}

function encodeValue(value: number | boolean | string | Buffer): Buffer {
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0]);
  if (typeof value === 'number') return uint32(value);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads what `encode` writes. Throws a RangeError where there is less than what is read. */
export class MessageReader {
  readonly #bytes: Buffer;
  #offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  uint32(): number {
    const value = this.#bytes.readUInt32BE(this.#offset);
    this.#offset += 4;
    return value;
  }

  boolean(): boolean {
    const value = this.#bytes.readUInt8(this.#offset);
    this.#offset += 1;
    return value !== 0;
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const length = this.uint32();
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new RangeError(`a value of ${length} bytes is longer than its message`);
    const value = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return value;
  }

  text(): string {
    return this.bytes().toString();
  }
}

/** Far more than the 32 KiB of data that a message holds. */
const maximumMessage = 256 * 1024;

/** Cuts a stream of bytes into messages that are preceded by their length. */
export class MessageSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that are complete, without their length, as views; what is not complete is copied. Throws a RangeError for one that is too long. */
  *push(chunk: Buffer): Generator<Buffer> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    while (bytes.length - start >= 4) {
      const length = bytes.readUInt32BE(start);
      if (length > maximumMessage) throw new RangeError(`a message of ${length} bytes is too long`);
      const end = start + 4 + length;
      if (end > bytes.length) break;
      yield bytes.subarray(start + 4, end);
      start = end;
    }
    this.#rest = Buffer.from(bytes.subarray(start));
  }
}
