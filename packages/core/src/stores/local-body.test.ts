import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, it } from '@jest/globals';
import { fileBody } from './local-body.js';

const mebibyte = Buffer.alloc(1024 * 1024);
const never = new AbortController().signal;

function handleWith(datasync: () => Promise<void>): FileHandle {
  const write = (_chunk: Buffer, _offset: number, bytes: number) => Promise.resolve({ bytesWritten: bytes });
  return { write, datasync } as unknown as FileHandle;
}

it('sends what was written to the disk while more is made, and waits for that at its end', async () => {
  const done: string[] = [];
  const handle = handleWith(async () => {
    done.push('began');
    await new Promise((resolve) => setTimeout(resolve, 50));
    done.push('ended');
  });
  await pipeline(Readable.from(Array<Buffer>(130).fill(mebibyte)), fileBody(handle, '/target', never));
  expect(done.slice(0, 2)).toEqual(['began', 'ended']);
  expect(done.length % 2).toBe(0);
});

it('fails when the disk does, though the last sync might not hear of it', async () => {
  const handle = handleWith(() =>
    Promise.reject(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })),
  );
  const body = fileBody(handle, '/target', never);
  await expect(pipeline(Readable.from(Array<Buffer>(64).fill(mebibyte)), body)).rejects.toMatchObject({
    code: 'TARGET_IO',
    message: expect.stringContaining('EIO'),
  });
});
