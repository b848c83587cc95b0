import { createReadStream } from 'node:fs';

/** Larger files are no documents of LambdaStack: its manifest of everything has some 300 KiB. */
const maximumBytes = 4 * 1024 * 1024;

/** The text of a file, also of a named pipe. Throws the system's error, or one that says that it is too large or no UTF-8. */
export async function readText(file: string): Promise<string> {
  const pieces: Buffer[] = [];
  // One byte more than may be, to see that there is more.
  for await (const piece of createReadStream(file, { end: maximumBytes })) pieces.push(piece as Buffer);
  const bytes = Buffer.concat(pieces);
  if (bytes.length > maximumBytes) throw new Error('it is larger than 4 MiB');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error('it is no UTF-8 text', { cause });
  }
}
