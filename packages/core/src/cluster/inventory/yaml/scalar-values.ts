import { maximumDigits, exactInteger, parseInteger, PythonFloat } from '../../python/python-number.js';
import { ForeignValue } from '../inventory.js';
import { isBase64 } from './base64.js';
import { timestampText } from './timestamps.js';

/** A tag of YAML itself, without `tag:yaml.org,2002:`. */
export type ScalarTag = 'null' | 'bool' | 'int' | 'float' | 'timestamp' | 'binary' | 'str' | 'merge' | 'value';
export type ScalarValue = string | number | bigint | PythonFloat | boolean | null | ForeignValue;

const truths: ReadonlyMap<string, boolean> = new Map([
  ['yes', true],
  ['true', true],
  ['on', true],
  ['no', false],
  ['false', false],
  ['off', false],
]);

/** Source: YAML 1.1 as PyYAML has it; `1e3` and `0o17` are text there, `1:30` is a number of base 60. */
const forms: readonly (readonly [ScalarTag, RegExp])[] = [
  ['null', /^(?:~|null|Null|NULL|)$/],
  ['bool', /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/],
  [
    'float',
    /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
  ],
  [
    'int',
    /^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/,
  ],
  [
    'timestamp',
    /^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$/,
  ],
  ['merge', /^<<$/],
  ['value', /^=$/],
];
/** With what a scalar that is not text begins; most begin otherwise. */
const beginnings = new Set('-+0123456789.~yYnNtTfFoO<=');

/** What a plain scalar is. */
export function implicitTag(text: string): ScalarTag {
  if (text !== '' && !beginnings.has(text.charAt(0))) return 'str';
  return forms.find(([, form]) => form.test(text))?.[0] ?? 'str';
}

/**
 * The value of a scalar with this tag; undefined where PyYAML finds that the text does not fit it. Dates and times become the text
 * that Ansible prints for them, bytes their base64.
 */
export function scalarValue(tag: ScalarTag, text: string): ScalarValue | undefined {
  switch (tag) {
    case 'null':
      return null;
    case 'bool':
      return truths.get(text.toLowerCase());
    case 'int':
      return integer(text.replaceAll('_', ''));
    case 'float':
      return float(text.replaceAll('_', '').toLowerCase());
    case 'timestamp':
      return time(text);
    case 'binary':
      return isBase64(text) ? new ForeignValue('bytes', text.replaceAll(/\s/g, '')) : undefined;
    case 'str':
      return text;
    case 'merge':
    case 'value':
      return undefined;
  }
}

function integer(text: string): number | bigint | undefined {
  const magnitude = magnitudeOf(text.replace(/^[+-]/, ''));
  if (magnitude === undefined) return undefined;
  return exactInteger(text.startsWith('-') ? -magnitude : magnitude);
}

function magnitudeOf(digits: string): bigint | undefined {
  if (/^0[bx][0-9a-fA-F]+$/.test(digits)) return prefixed(digits);
  if (digits.startsWith('0') && digits !== '0') return /^[0-7]+$/.test(digits) ? prefixed(`0o${digits}`) : undefined;
  if (!digits.includes(':')) return parseInteger(digits);
  const parts = digits.split(':').map(parseInteger);
  if (digits.length > maximumDigits) return undefined;
  return parts.reduce<bigint | undefined>(
    (sum, part) => (sum === undefined || part === undefined ? undefined : sum * 60n + part),
    0n,
  );
}

function prefixed(digits: string): bigint | undefined {
  try {
    return BigInt(digits);
  } catch {
    return undefined;
  }
}

function time(text: string): ForeignValue | undefined {
  const shown = timestampText(text);
  return shown === undefined ? undefined : new ForeignValue('time', shown);
}

function float(text: string): PythonFloat | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[+-]/, '');
  const value = digits.includes(':') ? sexagesimal(digits.split(':').map(plainFloat)) : plainFloat(digits);
  return value === undefined ? undefined : new PythonFloat(sign * value);
}

function plainFloat(digits: string): number | undefined {
  if (digits === '.inf') return Infinity;
  if (digits === '.nan') return Number.NaN;
  return /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?$/.test(digits.trim()) ? Number(digits) : undefined;
}

/** Added from the last part on, as PyYAML does it: another order rounds otherwise. */
function sexagesimal(parts: readonly (number | undefined)[]): number | undefined {
  let value = 0;
  let base = 1;
  for (const part of parts.toReversed()) {
    if (part === undefined) return undefined;
    value += part * base;
    base *= 60;
  }
  return value;
}
