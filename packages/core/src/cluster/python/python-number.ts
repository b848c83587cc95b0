import { strip } from './python-text.js';

/** Longest decimal integer Python converts from or to text by default. */
export const maximumDigits = 4300;

const integerText = /^[+-]?[0-9]+(?:_[0-9]+)*$/;

/** The integer that Python's `int(text)` gives, or undefined where it raises. Leading zeros and single underscores are allowed. */
export function parseInteger(text: string): bigint | undefined {
  const digits = strip(text);
  if (!integerText.test(digits) || digits.length > maximumDigits) return undefined;
  const magnitude = BigInt(digits.replaceAll('_', '').replace(/^[+-]/, ''));
  return digits.startsWith('-') ? -magnitude : magnitude;
}

/** The whole number that Ansible takes the text for: as `parseInteger`, also from `22.0`; undefined for anything else. */
export function parseWholeNumber(text: string): bigint | undefined {
  return parseInteger(text.replace(/\.0*(?=\s*$)/, ''));
}

/** A number where it holds the integer exactly, else the bigint itself. */
export function exactInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A float of Python, also infinity and NaN: as text it is not the integer of the same value, but `1.0`. */
export class PythonFloat {
  constructor(readonly value: number) {}
}

/** `str` of a Python number. */
export function numberText(number: number | bigint | PythonFloat): string {
  return number instanceof PythonFloat ? floatText(number.value) : String(number);
}

/** `repr` of a Python float: `1.0`, `1e+16`, `1e-05`, `inf`, `nan`. */
export function floatText(value: number): string {
  const text = shortFloatText(value);
  return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
}

/** `str` of a Python complex number: `2j`, `(1+2j)`. */
export function complexText(real: number, imaginary: number): string {
  if (Object.is(real, 0)) return `${shortFloatText(imaginary)}j`;
  const text = shortFloatText(imaginary);
  return `(${shortFloatText(real)}${text.startsWith('-') ? '' : '+'}${text}j)`;
}

/** Shortest digits that read back the same, in Python's layout: an exponent from 1e16 up and below 1e-4. */
function shortFloatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const [mantissa = '0', power = '0'] = Math.abs(value).toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const exponent = Number(power);
  if (exponent >= 16 || exponent < -4) {
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return `${sign}${digits.padEnd(exponent + 1, '0')}`;
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}
