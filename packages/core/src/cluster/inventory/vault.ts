import { isAscii } from 'node:buffer';

import { Vault as VaultReader } from 'ansible-vault';

import { BackupError } from '../../model/errors.js';
import type { Secret } from '../../model/secret.js';

/** A vault password with the label it was given under (`--vault-id LABEL@FILE`); undefined: none, which Ansible calls `default`. */
export interface VaultSecret {
  readonly id: string | undefined;
  readonly password: Secret;
}

const header = '$ANSIBLE_VAULT';
const defaultId = 'default';
/** Salt, signature (SHA-256) and text, each in hexadecimal, and the three of them as one text in hexadecimal again. */
const envelope = /^(?:[0-9a-f]{2})+\n[0-9a-f]{64}\n(?:[0-9a-f]{2})+$/i;

/** Whether a file's bytes are one text of ansible-vault as a whole. */
export function isVaultText(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, header.length) === header && isAscii(bytes);
}

/**
 * Decrypts texts of ansible-vault, formats 1.1 and 1.2 (with a vault id), each distinct one once. As in Ansible an id only says which
 * password is tried first: all of them are tried (DEFAULT_VAULT_ID_MATCH is false). Source: Ansible documentation, "Encrypting
 * content with Ansible Vault", format of files encrypted with ansible-vault.
 */
export class Vault {
  private readonly decrypted = new Map<string, string>();

  constructor(private readonly secrets: readonly VaultSecret[] = []) {}

  /**
   * The text as it was before encryption. `place` is what is encrypted, for messages: a file with a line; `hidden` that the text stands in a
   * file that is itself encrypted, so that messages do not have its vault id either.
   * Throws VAULT_PASSWORD when no password was given or none fits, INVENTORY_SYNTAX when the text is damaged.
   */
  decrypt(text: string, place: string, hidden = false): string {
    const known = this.decrypted.get(text);
    if (known !== undefined) return known;
    const found = this.decryptAnew(text, place, hidden);
    this.decrypted.set(text, found);
    return found;
  }

  private decryptAnew(text: string, place: string, hidden: boolean): string {
    const { id, digits } = parse(text, place);
    const what = `${place}: encrypted by ansible-vault${id === undefined || hidden ? '' : ` with vault id "${id}"`}`;
    if (this.secrets.length === 0) {
      const hint = 'Give the vault password: --vault-password-file, --vault-id or --ask-vault-pass.';
      throw new BackupError('VAULT_PASSWORD', `${what}, and no vault password was given`, { hint });
    }
    for (const secret of this.inOrder(id)) {
      const plain = read(digits, secret.password);
      if (plain?.includes('\ufffd')) throw damaged(place, 'what is encrypted is not UTF-8 text');
      if (plain !== undefined) return plain;
    }
    const tried = this.secrets.map((secret) => `"${secret.id ?? defaultId}"`).join(', ');
    throw new BackupError('VAULT_PASSWORD', `${what}, and no vault password fits: wrong vault password`, {
      hint: `Tried the passwords given as ${tried}; give the one it was encrypted with.`,
    });
  }

  private inOrder(id: string = defaultId): VaultSecret[] {
    const fits = (secret: VaultSecret): boolean => (secret.id ?? defaultId) === id;
    return [...this.secrets.filter(fits), ...this.secrets.filter((secret) => !fits(secret))];
  }
}

/**
 * Checked here in full, because the package takes digits that are none for others and then finds the password wrong. Of the header
 * only the cipher and the id matter, as in Ansible.
 */
function parse(text: string, place: string): { readonly id: string | undefined; readonly digits: string } {
  const [first = '', ...lines] = text.split(/\r\n|\n|\r/);
  if (!first.startsWith(header)) throw damaged(place, `it does not begin with ${header}`);
  const [, , cipher, id] = first.split(';').map((part) => part.trim());
  if (cipher !== 'AES256') throw damaged(place, 'its cipher is not AES256');
  const digits = lines.join('');
  const inner = Buffer.from(digits, 'hex');
  if (digits.length % 2 !== 0 || inner.length * 2 !== digits.length || !envelope.test(inner.toString('latin1'))) {
    throw damaged(place, 'part of it is missing or is not in hexadecimal');
  }
  return { id: id === '' ? undefined : id, digits };
}

/** Undefined when the password is wrong. The id is none of the package's business: it would refuse one that it was not given. */
function read(digits: string, password: Secret): string | undefined {
  try {
    return new VaultReader({ password: password.reveal() }).decryptSync(`${header};1.1;AES256\n${digits}`, undefined);
  } catch (error) {
    if (isWrongPassword(error)) return undefined;
    throw error;
  }
}

/** The package has no error class; these are the messages of the errors that are left once the text is checked. */
function isWrongPassword(error: unknown): boolean {
  return error instanceof Error && ['Integrity check failed', 'No password'].includes(error.message);
}

function damaged(place: string, why: string): BackupError {
  return new BackupError('INVENTORY_SYNTAX', `${place}: the text of ansible-vault is damaged: ${why}`);
}
