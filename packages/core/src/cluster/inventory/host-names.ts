import { exactInteger, parseInteger } from '../python/python-number.js';
import { strip, wordClass } from '../python/python-text.js';

/** More hosts than this in one inventory are taken for a typing error in a range. */
export const maximumHosts = 100_000;

/** Longer names of hosts and groups are refused: regular expressions fail on text of some megabytes. */
export const maximumNameLength = 4_096;

/** What to say of a longer one, which is not quoted. */
export const longName = `a name is longer than ${maximumNameLength} characters`;

/** Longer ones with a range are no names of hosts, and their expansion would take long. */
const maximumPatternLength = 1_000;

const portSuffix = /^((?:[^:[\]]|\[[^\]]*\])*):([0-9]+)$/;
const bracketedWithPort = /^\[(.+)\]:([0-9]+)$/;

const nameRange = '\\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\\]';
const nameLabel = new RegExp(`^(?:[${wordClass}]|${nameRange})(?:[${wordClass}-]|${nameRange})*$`, 'iu');
const addressRange = /\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]/gi;
const addressPart = /^[0-9a-f]{1,4}$/i;

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The hosts that a pattern stands for. */
export interface ExpandedHosts {
  readonly names: readonly string[];
  /** From a `:port` suffix. */
  readonly port: number | bigint | undefined;
}

/**
 * Expands a host pattern: an optional `:port` (after an IPv6 address only as `[address]:port`) and ranges `[begin:end]` or
 * `[begin:end:step]` of numbers, which keep their leading zeros, or letters. Several ranges multiply.
 * Throws a SyntaxError that says what is wrong with it, without a word of it: in a line out of place it may hold a password.
 */
export function expandHosts(pattern: string): ExpandedHosts {
  if (pattern.length > maximumNameLength) throw new SyntaxError(longName);
  const { address, port } = splitPort(pattern);
  return { names: address.includes('[') ? expandRanges(address) : [address], port };
}

/** Expands the first word of a host line in INI, where two patterns that only YAML files have are taken for mistakes. */
export function expandHostWord(word: string): ExpandedHosts {
  const { names, port } = expandHosts(word);
  if (port === undefined && strip(word).endsWith(':')) {
    throw new SyntaxError('a host pattern ends in ":", which is reserved for a port');
  }
  if (names.some((name) => strip(name) === '---')) throw new SyntaxError('"---" starts a YAML file, it is no host');
  return { names, port };
}

/** Whatever has no valid name or address before its `:port` is taken whole, as Ansible does. */
function splitPort(pattern: string): { address: string; port: number | bigint | undefined } {
  const { address, digits } = splitDigits(pattern);
  const port = digits === undefined ? undefined : parseInteger(digits);
  if (port === undefined || !isNameOrAddress(address)) return { address: pattern, port: undefined };
  return { address, port: exactInteger(port) };
}

function splitDigits(pattern: string): { address: string; digits: string | undefined } {
  let address = pattern;
  let digits: string | undefined;
  for (const form of [bracketedWithPort, portSuffix]) {
    const found = form.exec(address);
    if (found !== null) [, address = '', digits] = found;
  }
  return { address, digits };
}

function isNameOrAddress(address: string): boolean {
  return isHostName(address) || isIPv6(address);
}

/** Whether the text is one host name or address, with or without ranges and `:port`. Source: Ansible's `parse_address`. */
export function isOneAddress(text: string): boolean {
  return text.length <= maximumNameLength && isNameOrAddress(splitDigits(text).address);
}

/** Dotted labels of word characters, dashes and ranges, none of which begins with a dash or ends with one or an underscore. */
function isHostName(address: string): boolean {
  return address.split('.').every((label) => nameLabel.test(label) && !/[-_]$/.test(label));
}

function isIPv6(address: string): boolean {
  const plain = address.replace(addressRange, 'f');
  const mapped = /^(?:(?:0:){6}|::(?:ffff:)?|(?:0:){5}ffff:)([^:]+)$/i.exec(plain)?.[1];
  if (mapped?.includes('.')) return mapped.split('.').length === 4 && mapped.split('.').every(isAddressPart);
  const [head = '', tail, ...more] = plain.split('::');
  if (more.length > 0) return false;
  if (tail === undefined) return head.split(':').length === 8 && head.split(':').every(isAddressPart);
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const short = before.length <= 6 && after.length <= 6 && before.length + after.length <= 7;
  return short && before.every(isAddressPart) && after.every(isAddressPart);
}

function isAddressPart(part: string): boolean {
  return addressPart.test(part);
}

/** Expands the first range, then the next ones inside of each result. */
function expandRanges(pattern: string): string[] {
  if (pattern.length > maximumPatternLength) {
    throw new SyntaxError(`a host pattern with a range is longer than ${maximumPatternLength} characters`);
  }
  let names = [pattern];
  while (names[0]?.includes('[')) {
    const next: string[] = [];
    for (const name of names) {
      next.push(...expandFirstRange(name));
      if (next.length > maximumHosts)
        throw new SyntaxError(`a host pattern stands for more than ${maximumHosts} hosts`);
    }
    names = next;
  }
  return names;
}

function expandFirstRange(pattern: string): string[] {
  const open = pattern.indexOf('[');
  const close = pattern.indexOf(']');
  if (close === -1 || pattern.includes('|')) throw new SyntaxError('a host range is not closed');
  const [start, end] = open < close ? [open, close] : [close, open];
  const values = rangeValues(pattern.slice(start + 1, end));
  return values.map((value) => pattern.slice(0, start) + value + pattern.slice(end + 1));
}

function rangeValues(range: string): string[] {
  const bounds = range.split(':');
  if (bounds.length !== 2 && bounds.length !== 3) {
    throw new SyntaxError('a host range is not [begin:end] or [begin:end:step]');
  }
  const [first = '', last = '', step = '1'] = bounds;
  if (last === '') throw new SyntaxError('a host range has no end');
  const begin = first === '' ? '0' : first;
  const padded = begin.length > 1 && begin.startsWith('0');
  if (padded && begin.length !== last.length) {
    throw new SyntaxError('a host range needs begin and end of equal length, as begin has leading zeros');
  }
  const steps = parseInteger(step);
  const values =
    steps === undefined ? undefined : (letterValues(begin, last, steps) ?? numberValues(begin, last, steps));
  if (values === undefined) throw new SyntaxError('a host range is neither of numbers nor of letters');
  return padded ? values.map((value) => zeroFill(value, begin.length)) : values;
}

/** Bounds may be several letters that follow each other in the alphabet, of which the first counts: Ansible looks for the text. */
function letterValues(begin: string, last: string, step: bigint): string[] | undefined {
  const from = letters.indexOf(begin);
  const to = letters.indexOf(last);
  if (from === -1 || to === -1) return undefined;
  if (from > to) throw new SyntaxError('a host range ends before it begins');
  if (step === 0n) return undefined;
  return step < 0n ? [] : counted(BigInt(from), BigInt(to), step).map((index) => letters.charAt(Number(index)));
}

/** Empty when the end is before the begin; a negative step stops one above the end, as Python's `range(begin, end + 1, step)`. */
function numberValues(begin: string, last: string, step: bigint): string[] | undefined {
  const from = parseInteger(begin);
  const to = parseInteger(last);
  if (from === undefined || to === undefined) return undefined;
  if (step === 0n) throw new SyntaxError('a host range has a step of zero');
  return counted(from, step > 0n ? to : to + 2n, step).map(String);
}

function counted(from: bigint, to: bigint, step: bigint): bigint[] {
  const ahead = step > 0n ? to - from : from - to;
  if (ahead < 0n) return [];
  const count = ahead / (step > 0n ? step : -step) + 1n;
  if (count > BigInt(maximumHosts)) throw new SyntaxError(`one host range stands for more than ${maximumHosts} hosts`);
  return Array.from({ length: Number(count) }, (_, index) => from + BigInt(index) * step);
}

function zeroFill(value: string, length: number): string {
  const sign = /^[+-]/.exec(value)?.[0] ?? '';
  return sign + value.slice(sign.length).padStart(length - sign.length, '0');
}
