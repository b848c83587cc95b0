import { isUtf8 } from 'node:buffer';
import type { Archive } from '../archive/archive.js';
import { readTar } from '../catalog/tar-reader.js';
import { surveyTar, type TarNode } from '../catalog/tar-survey.js';
import type { TarContents } from '../components/restore.js';
import type { TarMember } from '../formats/tar-member.js';
import { printable } from '../model/byte-names.js';
import { BackupError } from '../model/errors.js';

const limits = { entries: 1_000_000, pathBytes: 4000 };
const largestVisited = 1024 * 1024;

/** See `RestoreContext.surveyTar`. */
export async function surveyArtifact(
  archive: Archive,
  { path, bytes }: { readonly path: string; readonly bytes: number },
  options: { readonly visit?: ((name: string, content: Buffer) => void) | undefined; readonly signal: AbortSignal },
): Promise<TarContents> {
  try {
    const content = await archive.read(path, { signal: options.signal });
    const nodes = await surveyTar((add) => visited(readTar(content, bytes), add, options.visit), limits);
    const sizes = [...nodes.values()].map((node) => (node.kind === 'file' ? node.size : 0));
    return {
      roots: rootsOf(nodes),
      entries: [...nodes.values()].filter(isMember).length,
      bytes: sizes.reduce((sum, size) => sum + size, 0),
    };
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    throw new BackupError(error.code, `${path}: ${error.message}`, { hint: error.hint, cause: error });
  }
}

async function visited(
  entries: ReturnType<typeof readTar>,
  add: (member: TarMember) => void,
  visit: ((name: string, content: Buffer) => void) | undefined,
): Promise<void> {
  for await (const entry of entries) {
    add(entry);
    if (visit === undefined || entry.kind !== 'file' || entry.size > largestVisited) continue;
    const pieces: Buffer[] = [];
    for await (const piece of entry.body) pieces.push(Buffer.from(piece));
    visit(textOf(entry.name), Buffer.concat(pieces));
  }
}

function isMember(node: TarNode): boolean {
  return node.kind !== 'directory' || node.explicit;
}

/** Members that are below no other. */
function rootsOf(nodes: ReadonlyMap<string, TarNode>): readonly string[] {
  const isBelow = (path: string): boolean => {
    for (let slash = path.lastIndexOf('/'); slash !== -1; slash = path.lastIndexOf('/', slash - 1)) {
      const parent = nodes.get(path.slice(0, slash));
      if (parent !== undefined && isMember(parent)) return true;
    }
    return false;
  };
  const roots = [...nodes].filter(([path, node]) => isMember(node) && !isBelow(path)).map(([path]) => path);
  const odd = roots.find((root) => !isUtf8(Buffer.from(root, 'latin1')) || /[\n\t]/.test(root));
  if (odd !== undefined)
    throw new BackupError('EXTRACT_UNSUPPORTED', `${printable(odd)} is no name that can be given to a command`, {
      hint: 'Extract the artifact and put it back by hand.',
    });
  return roots.map(textOf).sort();
}

function textOf(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}
