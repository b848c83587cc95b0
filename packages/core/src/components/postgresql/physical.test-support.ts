import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

/** Name (each byte one character, latin1) and content of each file of a base backup, as PostgreSQL orders them: WAL and the manifest come last. */
export type BaseFiles = readonly (readonly [name: string, content: string | Buffer])[];

export const segmentSize = 1024 * 1024;

export const baseFiles: BaseFiles = [
  ['backup_label', 'START WAL LOCATION: 0/5000028\n'],
  ['tablespace_map', ''],
  ['PG_VERSION', '15\n'],
  ['base/5/1259', Buffer.alloc(8192, 1)],
  ['global/pg_control', Buffer.alloc(8192, 2)],
  ['pg_wal/000000010000000000000050', Buffer.alloc(segmentSize, 3)],
  ['pg_wal/000000010000000000000051', Buffer.alloc(segmentSize, 4)],
  ['pg_wal/archive_status/000000010000000000000050.done', ''],
];

/** As backup_manifest.c writes it. */
export function manifestOf(files: BaseFiles, range = '"Start-LSN": "0/5000028", "End-LSN": "0/5200000"'): string {
  const lines = files
    .filter(([name]) => !/^pg_wal\/[0-9A-F]{24}$/.test(name))
    .map(([name, content]) => {
      const bytes = Buffer.from(name, 'latin1');
      const path = isUtf8(bytes)
        ? `"Path": ${JSON.stringify(bytes.toString())}`
        : `"Encoded-Path": "${bytes.toString('hex')}"`;
      return `{ ${path}, "Size": ${String(content.length)}, "Checksum": "00" }`;
    });
  const text = `{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n${lines.join(',\n')}\n],\n"WAL-Ranges": [\n{ "Timeline": 1, ${range} }\n],\n`;
  return `${text}"Manifest-Checksum": "${createHash('sha256').update(text).digest('hex')}"}\n`;
}

export function tarOf(files: BaseFiles): Buffer {
  const pieces = files.flatMap(([name, text]) => {
    const content = Buffer.from(text as string);
    const header = Buffer.alloc(512);
    const field = (text: string, offset: number): number => header.write(text, offset, 'latin1');
    field(name, 0);
    field('0000600\0' + '0000144\0' + '0000144\0', 100);
    field(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    field('00000000000\0' + '        ' + '0', 136);
    field('ustar\0' + '00', 257);
    field(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    return [header, content, padding];
  });
  return Buffer.concat([...pieces, Buffer.alloc(1024)]);
}

export const baseTar = tarOf([...baseFiles, ['backup_manifest', manifestOf(baseFiles)]]);
