import { splitShellWords } from '../python/shell-words.js';

/** One option of an ssh command line, under the name it has in ssh_config (lower case), else as it was written. */
export interface SshOption {
  readonly name: string;
  readonly value: string;
  /** For messages: `-o ProxyJump=bastion`; without a value that may hold a password (`-o ProxyCommand=...`). */
  readonly written: string;
}

/** Keywords whose value is a command line or variables: `sshpass -p ...` is common there. */
const mayBeSecret = /command$|^setenv$/i;

/** Flags of OpenSSH's ssh that take a value, and the ssh_config keyword of those that have one. */
const flagsWithValue = /[BbcDEeFIiJLlmOoPpQRSWw]/;
const keywordOfFlag: ReadonlyMap<string, string> = new Map([
  ['B', 'bindinterface'],
  ['b', 'bindaddress'],
  ['c', 'ciphers'],
  ['i', 'identityfile'],
  ['J', 'proxyjump'],
  ['l', 'user'],
  ['m', 'macs'],
  ['p', 'port'],
  ['S', 'controlpath'],
]);

/**
 * The options in a text of ssh arguments as Ansible passes them on: split like a shell does, `-o Name=value`, `-oName value`,
 * single-letter flags alone or together. Source: ssh(1). Throws a SyntaxError on an open quote or a flag without its value.
 */
export function parseSshArguments(text: string): SshOption[] {
  const words = splitShellWords(text, { comments: false });
  const options: SshOption[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (!word.startsWith('-') || word === '-') {
      options.push({ name: word, value: '', written: 'a word that is no option' });
      continue;
    }
    const place = word.slice(1).search(flagsWithValue) + 1;
    const alone = place === 0 ? word.slice(1) : word.slice(1, place);
    for (const letter of alone) options.push({ name: `-${letter}`, value: '', written: `-${letter}` });
    if (place === 0) continue;
    const attached = word.slice(place + 1);
    if (attached === '') index += 1;
    const value = attached === '' ? words[index] : attached;
    const flag = word.charAt(place);
    if (value === undefined) throw new SyntaxError(`-${flag} has no value`);
    options.push(flag === 'o' ? keywordOption(value) : flagOption(flag, value));
  }
  return options;
}

function flagOption(flag: string, value: string): SshOption {
  return { name: keywordOfFlag.get(flag) ?? `-${flag}`, value, written: `-${flag} ${value}` };
}

/** `Name=value` or `Name value`, with white space and double quotes around the value as in ssh_config. */
function keywordOption(text: string): SshOption {
  const [, name = '', value = ''] = /^\s*([^\s=]*)(?:\s*=\s*|\s+|$)(.*)$/s.exec(text) ?? [];
  const bare = value.trimEnd();
  return {
    name: name.toLowerCase(),
    value: bare,
    written: `-o ${name}=${mayBeSecret.test(name) && bare !== 'none' ? '...' : bare}`,
  };
}

/**
 * The words of a value that may list several, such as file names; double quotes hold one with spaces together, and in them a backslash
 * takes a quote or a backslash as it is. Source: argv_split in OpenSSH's misc.c.
 */
export function splitOptionValue(value: string): string[] {
  const words = value.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/gs);
  return [...words].map(([, quoted, bare]) => quoted?.replace(/\\(["'\\])/g, '$1') ?? bare ?? '');
}
