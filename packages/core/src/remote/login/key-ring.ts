import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { ParsedKey } from 'ssh2';
import type { LocalUser } from '../../cluster/cluster.js';
import type { Secret } from '../../model/secret.js';
import { readKeyFile } from './key-file.js';
import type { KeyFile } from './key-file.js';
import { KeyProblem, needsPassphrase, wrongPassphrase } from './key-problem.js';
import { parsePrivateKey } from './private-key.js';

/**
 * The key files of one run: each is read once, and an encrypted one opened once, however many hosts it is for: that takes half a second
 * of this thread. Passphrases are asked for one after the other, once per file.
 */
export class KeyRing {
  readonly #askUser: LocalUser['passphrase'];
  readonly #files = new Map<string, Promise<KeyFile>>();
  readonly #opened = new Map<string, Promise<ParsedKey>>();
  readonly #asked = new Map<string, Promise<Secret | undefined>>();
  readonly #oneQuestion = pLimit(1);

  constructor(user: LocalUser) {
    this.#askUser = user.passphrase;
  }

  /** Whether somebody can be asked for a passphrase. */
  get canAsk(): boolean {
    return this.#askUser !== undefined;
  }

  read(file: string): Promise<KeyFile> {
    return remember(this.#files, file, () => readKeyFile(file));
  }

  /**
   * The private key, with the passphrase that is known or, where that does not fit, the user's answer.
   * Rejects with KeyProblem, or with what the question for the passphrase was rejected with.
   */
  async unlock({ file, privateKey, problem }: KeyFile, passphrase: Secret | undefined): Promise<ParsedKey> {
    if (privateKey === undefined) throw problem ?? needsPassphrase(file);
    const open = (secret?: Secret): Promise<ParsedKey> =>
      remember(this.#opened, digest(privateKey.content, secret), () => parsePrivateKey(file, privateKey, secret));
    if (!privateKey.isEncrypted) return open();
    if (passphrase !== undefined) {
      const key = await open(passphrase).catch((error: unknown) => {
        if (error instanceof KeyProblem && this.canAsk) return undefined;
        throw error;
      });
      if (key !== undefined) return key;
    }
    const answer = await this.#ask(file);
    if (answer === undefined) throw passphrase === undefined ? needsPassphrase(file) : wrongPassphrase(file);
    return open(answer);
  }

  #ask(file: string): Promise<Secret | undefined> {
    return remember(this.#asked, file, () => this.#oneQuestion(async () => this.#askUser?.(file)));
  }
}

/** A wrong passphrase is remembered too: trying it again costs as much. */
function remember<Value>(map: Map<string, Promise<Value>>, name: string, make: () => Promise<Value>): Promise<Value> {
  const known = map.get(name);
  if (known !== undefined) return known;
  const made = make();
  map.set(name, made);
  return made;
}

/** No passphrase is kept as text. */
function digest(content: Buffer, passphrase: Secret | undefined): string {
  const secret = passphrase === undefined ? '' : createHash('sha256').update(passphrase.reveal()).digest('hex');
  return createHash('sha256').update(content).update(`\0${secret}`).digest('hex');
}
